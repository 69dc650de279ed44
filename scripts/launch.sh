#!/bin/sh
# Starts a program of Helyos with exactly the permissions that scripts/permissions grants it by name.
#
#   launch.sh [--task] [--print] PROGRAM [ARGUMENT …]
#
# --task   run from a Deno task: relative paths mean the caller's folder, which Deno keeps in INIT_CWD
# --print  print Deno's arguments, one a line, instead of running it
#
# HELYOS_DENO names the Deno to use when it is not the one on PATH. Every start of the CLI goes through here, so this
# uses the shell's builtins alone: a process more would cost more than the parsing.
set -euf

newline='
'
case $0 in
  /*) scripts=${0%/*} ;;
  */*) scripts=$PWD/${0%/*} ;;
  *) scripts=$PWD ;;
esac
root=${scripts%/scripts}

print=no
while :; do
  case ${1-} in
    --task) [ -z "${INIT_CWD-}" ] || cd -- "$INIT_CWD" ;;
    --print) print=yes ;;
    *) break ;;
  esac
  shift
done
program=${1:?usage: launch.sh [--task] [--print] PROGRAM [ARGUMENT …]}
shift

# --- the paths behind the names -------------------------------------------------------------------------------------

home=${HOME:-${USERPROFILE-}}
data=${HELYOS_DATA_DIR:-${home:+$home/.helyos/data}}
data=${data:-/var/lib/helyos}
certificates=
hook=
proxy=traefik
proxy_program=
named=${SSL_CERT_FILE-}$newline${SSL_CERT_DIR-}

note() { # OPTION VALUE: an option of this program that names a path
  case $program$1 in
    daemon--data-dir) data=$2 ;;
    daemon--tls-cert | daemon--tls-key | daemon--acme-ca-file | daemon--acme-eab-hmac-file)
      certificates=$certificates$newline$2
      ;;
    daemon--acme-dns-hook) hook=$2 ;;
    daemon--proxy-backend) proxy=$2 ;;
    daemon--proxy-program) proxy_program=$2 ;;
    cli--ca-file | cli--token-file | cli--cert | cli--key | certs--passphrase-file | certs--root-key | certs-agent--passphrase-file) named=$named$newline$2 ;;
    certs--out) answer=$2 ;;
  esac
}

answer=
address=
words=0
subcommand=
word() { # WORD: what is no option. `helyos certs …` is a program of its own, and its words may name files and an address.
  case $program$words$subcommand in
    cli0)
      case $1 in
        certs) program=certs named='' ;;
        help | __complete | =*) return 0 ;; # for the command that follows
      esac
      ;;
    certs1)
      subcommand=$1
      case $1 in
        deploy | deploy-servers | deploy-all | doctor | caddy-sync) program=certs-deploy ;;
        install-ca | uninstall-ca) program=certs-trust ;;
        agent) program=certs-agent ;;
      esac
      ;;
    certs2inspect)
      named=$1
      note_address "$1"
      ;;
    certs2verify | certs2sign) named=$named$newline$1 ;;
  esac
  words=$((words + 1))
}
note_address() { # TEXT: HOST:PORT; what Deno would not take for an address is none
  port=${1##*:}
  host=${1%":$port"}
  case $port in
    '' | *[!0-9]* | ??????*) return 0 ;;
  esac
  [ "$port" -gt 0 ] && [ "$port" -le 65535 ] || return 0
  case $host in
    \[*[!0-9A-Fa-f:.]*\]) return 0 ;;
    \[*\]) ;;
    '' | *[!A-Za-z0-9._-]*) return 0 ;;
  esac
  address=$1
}
option=
plain=no
for argument; do
  if [ -n "$option" ]; then
    note "$option" "$argument"
    option=
    continue
  elif [ "$plain" = yes ]; then
    word "$argument"
    continue
  fi
  case $argument in
    --) plain=yes ;;
    --*=*) note "${argument%%=*}" "${argument#*=}" ;;
    --data-dir | --tls-cert | --tls-key | --ca-file | --token-file | --cert | --key) option=$argument ;;
    --acme-ca-file | --acme-eab-hmac-file | --acme-dns-hook | --proxy-backend | --proxy-program) option=$argument ;;
    --passphrase-file | --root-key | --out | --type | --lifetime | --server | --token | --context | --proxy) option=$argument ;;
    -?*) ;;
    *) word "$argument" ;;
  esac
done

# The one program the daemon may supervise, when it is there; a Caddy reached by address runs already
case $proxy in
  traefik | caddy | nginx) proxy=${proxy_program:-$proxy} ;;
  *) proxy= ;;
esac
case $program-$proxy in
  daemon-http://* | daemon-https://*) proxy= ;;
  daemon-*) command -v "$proxy" >/dev/null 2>&1 || proxy= ;;
esac

# A file, and never a name to be looked for on PATH. Deno permits also what is not there; the daemon asks whether it may run this one.
case $hook in
  '' | /*) ;;
  *) hook=$PWD/$hook ;;
esac
{ [ -f "$hook" ] && [ -x "$hook" ]; } || hook=

config=${HELYOS_CONFIG:-${home:+$home/.helyos/config.toml}}
case $config in
  */*) folder=${config%/*} ;;
  *) folder=. ;;
esac
companions=$config$newline${config%.toml}.toml.tmp
context=$companions$newline${config%.toml}.toml.lock$newline$folder/previous-context
backup=${config%.toml}.toml.bak
# A folder that does not exist yet must be made, and holds nothing of anybody else's. The daemon makes ~/.helyos with its data
# directory, so only another place leaves it to be made for the context.
[ -d "$folder" ] || context=$folder
[ "$folder" != "$home/.helyos" ] || context=$folder
case $data in
  "$folder"/*) ;;
  *) [ -d "$folder" ] || companions=$folder ;;
esac
case $newline$context$newline in
  *"$newline$folder$newline"*) backup= ;;
esac
[ -n "$config" ] || context='' companions='' backup=''

# --- from names to flags --------------------------------------------------------------------------------------------

add() { # PATH: Deno separates paths by commas and has no way to write one
  case $1 in
    '') return 0 ;;
    *,*) echo "cannot start: Deno cannot be permitted a path with a comma in it: $1" >&2 && exit 1 ;;
  esac
  value=$value${value:+,}$1
}

flags=--no-prompt
while read -r entry kind names; do
  if [ "$entry" != "$program" ]; then
    [ "$flags" = --no-prompt ] || break
    continue
  fi
  value=
  for name in $names; do
    case $kind-$name in
      net-all | sys-all) continue ;;
      read-data | write-data) paths=$data ;;
      read-certificates) paths=$certificates ;;
      run-dns-hook) paths=$hook ;;
      run-proxy) paths=$proxy ;;
      read-context) paths=$context ;;
      write-context) paths=$context$newline$backup ;; # the previous version, kept and never read
      read-first-run | write-first-run) paths=$companions ;;
      write-notify) paths=${NOTIFY_SOCKET-} ;;
      read-named) paths=$named ;;
      read-pki | write-pki) paths=${HELYOS_PKI_HOME:-${home:+$home/.helyos/pki}} ;;
      read-services) paths=${HELYOS_REGISTRY:-registry.yml} ;;
      read-registry | write-registry) paths=${HELYOS_REGISTRY:-registry.yml} paths=$paths$newline$paths.tmp ;;
      read-answer) paths=${answer:+$answer.tmp} ;; # to be moved to its place
      write-answer) paths=${answer:+$answer$newline$answer.tmp} ;;
      net-named) paths=$address ;;
      read-source) paths=$root ;;
      env-* | sys-* | run-* | net-*) paths=$name ;;
      *) echo "launch.sh: scripts/permissions has an unknown name: $kind $name" >&2 && exit 2 ;;
    esac
    IFS=$newline
    for path in $paths; do add "$path"; done
    unset IFS
  done
  [ "$names" = all ] || [ -n "$value" ] || continue
  flags=$flags$newline--allow-$kind${value:+=$value}
done <"$scripts/permissions"
[ "$flags" != --no-prompt ] || { echo "launch.sh: scripts/permissions does not know $program" >&2 && exit 2; }
# Swapping the certificate without a restart binds the port twice for a moment, which Deno calls unstable.
[ "$program" != daemon ] || flags=--unstable-net$newline$flags

case $program in
  certs*) main=cli/certs ;;
  *) main=$program ;;
esac
IFS=$newline
# shellcheck disable=SC2086  # one flag a line, split at newlines alone
set -- run --quiet --frozen $flags "$root/$main/main.ts" "$@"
if [ "$print" = yes ]; then
  printf '%s\n' "$@"
else
  # Deno asks its maker for a newer version half a second after each start, by way of whatever proxy the environment names.
  export DENO_NO_UPDATE_CHECK=1
  # Variables of the runtime that would decide over our heads: where to listen, whose word to take for a caller's address, what
  # to run first (package managers and debuggers leave NODE_OPTIONS behind), who may look into the process.
  unset DENO_SERVE_ADDRESS DENO_TRUST_PROXY_HEADERS DENO_CONNECTED DENO_UNSTABLE_CONTROL_SOCK NODE_OPTIONS NODE_CHANNEL_FD
  # Deno raises the soft limit to this, and cannot tell what it is.
  [ "$program" != daemon ] || export HELYOS_OPEN_FILES="$(ulimit -Hn)"
  exec "${HELYOS_DENO:-deno}" "$@"
fi
