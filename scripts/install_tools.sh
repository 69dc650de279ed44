#!/bin/sh
# Installs what the tests use beside Deno: Debian's packages, and peers built from the Go module proxy.
#
# What cannot be installed (no root, no apt-get, no Go) is named, and the tests that need it are skipped and counted;
# with CI set a missing tool is a failure of the test that needs it. Peers go to HELYOS_PEERS, by default
# ~/.cache/helyos/peers, and are built once. With --bench the peers that only benchmarks use are built, too.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
peers=${HELYOS_PEERS:-$HOME/.cache/helyos/peers}

# PROGRAM:PACKAGE, one a line; a program is what the tests start.
debian='
openssl:openssl
curl:curl
certtool:gnutls-bin
nginx:nginx-light
wrk:wrk
sshd:openssh-server
update-ca-certificates:ca-certificates
ssh:openssh-client
python3:python3
faketime:faketime
script:bsdutils
git:git
'

has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

missing=
for pair in $debian; do
  has "${pair%%:*}" || missing="$missing ${pair#*:}"
done
if [ -n "$missing" ]; then
  if has apt-get && [ "$(id -u)" = 0 ]; then
    echo "Installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # A service that starts by itself would take ports; nobody asked for one.
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    # shellcheck disable=SC2086  # a list of words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
      echo "apt-get could not install:$missing" >&2
    rm -f /usr/sbin/policy-rc.d
  else
    echo "Not installed (needs root and apt-get):$missing" >&2
  fi
fi

build() { # FOLDER
  name=$(basename "$1")
  # A stamp of the pins, so that a changed version is built again and an unchanged one never is.
  stamp="$peers/$name.$(cksum <"$1/go.sum" | cut -d ' ' -f 1)"
  [ ! -e "$stamp" ] || return 0
  echo "Building $name"
  mkdir -p "$peers/bin"
  if CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -trimpath -buildvcs=false' GOBIN="$peers/bin" \
    go -C "$1" install -ldflags '-s -w' tool; then
    : >"$stamp"
  else
    echo "Could not build $name" >&2
  fi
}

if has go; then
  for folder in "$scripts"/peers/*/; do build "$folder"; done
  [ "${1-}" != --bench ] || for folder in "$scripts"/bench_peers/*/; do build "$folder"; done
else
  echo "Go is not installed: the tests against peers built from source are skipped" >&2
fi
