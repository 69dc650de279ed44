#!/bin/sh
# Puts helyosd and helyos on PATH, or takes them away again.
#
#   install.sh [--uninstall] [--prefix DIR]
#
# Two small programs go to DIR/bin (default: /usr/local for root, else ~/.local). They start what lies in this checkout through
# scripts/launch.sh, with the Deno that runs this task, so the checkout must stay where it is. Root's default installation keeps the
# packages they import in /usr/local/lib/helyos, where every user, a service's too, can read them.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root=${scripts%/scripts}
mark='# Written by the install task of Helyos.'
if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
uninstall=no
packages=
[ "$(id -u)" != 0 ] || packages=/usr/local/lib/helyos

fail() {
  echo "install: $1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --uninstall) uninstall=yes ;;
    --prefix)
      [ $# -gt 1 ] || fail '--prefix needs a folder'
      prefix=$2 packages=
      shift
      ;;
    --prefix=*) prefix=${1#*=} packages= ;;
    -h | --help)
      sed -n '2,8s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) fail "unknown argument: $1 (see --help)" ;;
  esac
  shift
done
case $prefix in
  /*) ;;
  *) prefix=${INIT_CWD:-$PWD}/$prefix ;;
esac

ours() { [ "$(sed -n 2p "$1" 2>/dev/null)" = "$mark" ]; }
quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

for pair in helyosd:daemon helyos:cli; do
  file=$prefix/bin/${pair%%:*}
  if [ -e "$file" ] && ! ours "$file"; then fail "$file is there already and not ours; remove it first"; fi
done

if [ "$uninstall" = yes ]; then
  rm -f "$prefix/bin/helyosd" "$prefix/bin/helyos"
  [ -z "$packages" ] || rm -rf "$packages"
  echo "Removed helyosd and helyos from $prefix/bin; your data and contexts in ~/.helyos stay"
  exit 0
fi

deno=${HELYOS_DENO:-$(command -v deno)} || fail 'no deno on PATH; set HELYOS_DENO'
# npx keeps its copy in a cache that is cleaned now and then.
case $deno in
  */_npx/*) echo "Note: Deno itself lies in npx's cache; 'npm install --global deno@2.9.6' keeps it for good" >&2 ;;
esac
# Everything the programs import is fetched now, so that they start without a network.
[ -z "$packages" ] || export DENO_DIR="$packages"
"$deno" cache --frozen --quiet "$root/daemon/main.ts" "$root/cli/main.ts" "$root/cli/certs/main.ts"
[ -z "$packages" ] || chmod -R a+rX "$packages"
mkdir -p "$prefix/bin"
for pair in helyosd:daemon helyos:cli; do
  file=$prefix/bin/${pair%%:*}
  {
    printf '#!/bin/sh\n%s\n' "$mark"
    [ -z "$packages" ] || printf 'DENO_DIR=%s ' "$(quote "$packages")"
    printf 'HELYOS_DENO=%s exec sh %s %s "$@"\n' "$(quote "$deno")" "$(quote "$scripts/launch.sh")" "${pair#*:}"
  } >"$file.tmp"
  chmod 755 "$file.tmp"
  mv "$file.tmp" "$file"
done
echo "Installed helyosd and helyos in $prefix/bin"
case :$PATH: in
  *:"$prefix/bin":*) ;;
  *) echo "Put $prefix/bin on your PATH to call them by name" ;;
esac
