#!/bin/sh
# Builds both programs into build/ (or HELYOS_BUILD) as binaries that need no Deno.
#
# Deno takes the runtime it embeds from the network, or from the file that DENORT_BIN names. A binary's permissions are fixed
# when it is built, before anybody's home is known; docs/install.md says what that means.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
cd "${scripts%/scripts}"
deno=${HELYOS_DENO:-deno}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
build=${HELYOS_BUILD:-build}
mkdir -p "$build"

# The names of scripts/permissions, where a name whose path is unknown here becomes the whole kind. Programs are the exception: to
# allow any would allow everything, so the daemon's binary runs none, neither a DNS hook nor another proxy.
flags() { # PROGRAM
  while read -r entry kind names; do
    # A binary is one program: what `certs` commands may touch beyond the CLI's own are variables and the programs that reach hosts.
    case $entry-$kind-$1 in
      "$1-$kind-$1" | certs-deploy-env-cli | certs-deploy-run-cli) ;;
      *) continue ;;
    esac
    case $kind-$names in
      *-all) printf '%s\n' "--allow-$kind" ;;
      run-dns-hook*) ;;
      env-* | sys-* | run-*) printf '%s\n' "--allow-$kind=$(printf '%s' "$names" | tr ' ' ',')" ;;
      *) printf '%s\n' "--allow-$kind" ;;
    esac
  done <"$scripts/permissions"
}

for pair in helyosd:daemon helyos:cli; do
  # The program with every command in it
  main=${pair#*:}/main.ts
  [ "$main" != cli/main.ts ] || main=cli/certs/main.ts
  # shellcheck disable=SC2046  # one flag a word
  if "$deno" compile --frozen --quiet --no-prompt --unstable-net $(flags "${pair#*:}") \
    --output "$build/${pair%%:*}" "$main" 2>"$log"; then
    echo "Built $build/${pair%%:*}"
  elif [ -z "${DENORT_BIN-}" ] && grep -qiE 'denort|dns error|error sending request|connect' "$log"; then
    echo 'Cannot fetch the runtime that binaries are made of; go online, or set DENORT_BIN to a denort of this version' >&2
    exit 1
  else
    cat "$log" >&2
    exit 1
  fi
done
