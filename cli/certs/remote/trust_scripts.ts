/**
 * What runs on a target to put a CA into its trust store, and to take it out: one script of POSIX sh for every system.
 *
 * @module
 */

/**
 * Arguments: `install` or `remove`; SHA-256 of the certificate's DER in hex; its base64 in one line; the folder that holds it as
 * `ca-cert.pem`.
 *
 * Prints one line `SYSTEM STATE`: SYSTEM is `debian`, `rhel` or `macos`; STATE what became of it: `installed`, `present` (it was
 * trusted already), `removed`, `absent` (it was not there), or `elsewhere` (somebody else's file of the same certificate keeps it trusted).
 */
export const TRUST = `set -eu
action=$1 sha=$2 body=$3 from=$4
umask 022
fail() { echo "$*" >&2; exit 1; }
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo -n -- "$@"
  else fail "needs root: neither are we root nor is there sudo"; fi
}
quiet() { said=$("$@" 2>&1) || fail "$* failed: $(printf '%s' "$said" | tail -n 3 | tr '\\n' ' ')"; }
PATH=$PATH:/usr/sbin:/sbin
name=helyos-$(printf '%.16s' "$sha").crt

# The base64 of a file's certificates, a line each: equal if and only if their DER is.
bodies() { # FILE
  sed -n '/^-----BEGIN \\(TRUSTED \\)\\{0,1\\}CERTIFICATE-----/,/^-----END/{/-----BEGIN/d;s/-----END.*/;/;p;}' "$1" 2>/dev/null |
    tr -d ' \\t\\r\\n' | tr ';' '\\n'
}
holds() { [ -r "$1" ] && bodies "$1" | grep -qxF "$body"; }

linux() { # SYSTEM FOLDER BUNDLE FRESH COMMAND …; FRESH is what the command needs to forget links to what is gone
  system=$1 file=$2/$name bundle=$3 fresh=$4; shift 4
  ours=no
  ! holds "$file" || ours=yes
  if [ "$action" = install ]; then
    if holds "$bundle"; then echo "$system present"; return; fi
    if [ "$ours" = no ]; then
      as_root mkdir -p "\${file%/*}"
      # Beside its place first, so that nobody ever reads half of it. The suffix keeps it out of the bundle meanwhile.
      as_root cp "$from/ca-cert.pem" "$file.tmp" || fail "$file: cannot be written"
      as_root chmod 644 "$file.tmp"
      as_root mv -f "$file.tmp" "$file"
    fi
    if ! said=$(as_root "$@" 2>&1); then
      [ "$ours" = yes ] || as_root rm -f "$file"
      fail "$* failed: $(printf '%s' "$said" | tail -n 3 | tr '\\n' ' ')"
    fi
    holds "$bundle" || fail "$bundle does not hold it although $* succeeded"
    echo "$system installed"
    return
  fi
  if [ "$ours" = no ]; then
    if holds "$bundle"; then echo "$system elsewhere"; else echo "$system absent"; fi
    return
  fi
  as_root rm -f "$file" || fail "$file: cannot be removed"
  quiet as_root "$@" $fresh
  # Nobody tells Debian's hooks (Java's trust store is one) of a local file that is gone; they take what goes as \`-LINK\` lines.
  for hook in /etc/ca-certificates/update.d/*; do
    [ ! -x "$hook" ] || printf '%s\\n' "-/etc/ssl/certs/\${name%.crt}.pem" | as_root "$hook" >/dev/null 2>&1 ||
      fail "$hook failed: what it keeps, such as Java's trust store, may trust the CA still"
  done
  if holds "$bundle"; then echo "$system elsewhere"; else echo "$system removed"; fi
}

macos() {
  keychain=/Library/Keychains/System.keychain
  has() { security find-certificate -a -Z "$keychain" 2>/dev/null | grep -qi "SHA-256 hash: *$sha"; }
  if [ "$action" = install ]; then
    if has && security verify-cert -q -L -l -c "$from/ca-cert.pem" >/dev/null 2>&1; then echo 'macos present'; return; fi
    quiet as_root security add-trusted-cert -d -r trustRoot -k "$keychain" "$from/ca-cert.pem"
    has || fail "$keychain does not hold it although security succeeded"
    echo 'macos installed'
    return
  fi
  if ! has; then echo 'macos absent'; return; fi
  as_root security remove-trusted-cert -d "$from/ca-cert.pem" >/dev/null 2>&1 || : # Fails where it was not trusted.
  quiet as_root security delete-certificate -Z "$sha" "$keychain"
  if has; then fail "$keychain still holds it although security succeeded"; fi
  echo 'macos removed'
}

if [ "$(uname -s)" = Darwin ]; then macos
elif command -v update-ca-certificates >/dev/null 2>&1; then
  linux debian /usr/local/share/ca-certificates /etc/ssl/certs/ca-certificates.crt --fresh update-ca-certificates
elif command -v update-ca-trust >/dev/null 2>&1; then
  linux rhel /etc/pki/ca-trust/source/anchors /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem '' update-ca-trust extract
else fail "knows no trust store: neither update-ca-certificates nor update-ca-trust is there, and it is no macOS"; fi
`;

/** Makes a folder that only we can enter, and prints its path. */
export const SCRATCH = `umask 077; mktemp -d "/tmp/helyos-XXXXXX"`;
