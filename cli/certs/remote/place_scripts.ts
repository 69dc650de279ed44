/**
 * What runs on the target when files are placed: scripts of POSIX sh, before and after the upload.
 *
 * @module
 */

/** Takes stages away, with the links that led to them. */
const DROP = `drop() {
  for stage; do
    if [ -f "$stage/.link" ]; then rm -rf -- "$(cat "$stage/.link")"; fi
    rm -rf -- "$stage"
  done
}
drop_lines() { printf '%s' "$1" | while IFS= read -r line; do drop "$line"; done; }
nl='
'
`;

/**
 * Makes a folder to upload into, inside each folder that files go to, so that the last step is a rename within one file system.
 *
 * Arguments: the service's `service.yml` or nothing, then the folders. Prints for each folder `PATH<tab>UPLOAD`: where the stage is,
 * and the same by a name that scp takes literally; then a line `helyos--` and what `service.yml` holds.
 */
export const PREPARE = `set -eu
service_yml=$1; shift
umask 022
${DROP}
made=
give_up() { drop_lines "$made"; exit 1; }
trap give_up HUP INT TERM
expand() { case $1 in '~/'*) printf '%s\\n' "$HOME/\${1#??}" ;; *) printf '%s\\n' "$1" ;; esac; }
for folder; do
  folder=$(expand "$folder")
  mkdir -p -- "$folder" || give_up
  # What a killed deployment left: private keys that nobody will move any more.
  find "$folder" -maxdepth 1 -name '.helyos-*' -type d -mmin +60 2>/dev/null |
    while IFS= read -r left; do drop "$left" 2>/dev/null || :; done
  stage=$(umask 077; mktemp -d "$folder/.helyos-XXXXXX") || give_up
  made=$made$stage$nl
  upload=$stage
  case $stage in
    *[!A-Za-z0-9/._@%+=:,-]*)
      link=$(mktemp -d "\${TMPDIR:-/tmp}/helyos-XXXXXX") || give_up
      printf '%s\\n' "$link" >"$stage/.link"
      ln -s "$stage" "$link/s"
      upload=$link/s ;;
  esac
  printf '%s\\t%s\\n' "$stage" "$upload"
done
echo helyos--
[ -z "$service_yml" ] || { service_yml=$(expand "$service_yml"); [ ! -f "$service_yml" ] || head -c 65536 "$service_yml"; }
`;

/**
 * Takes stages away again, but for those that {@linkcode PLACE} is at work with, even if nobody hears it any more: it cleans up itself.
 * Arguments: the stages.
 */
export const ABANDON = `${DROP}for stage; do
  if mkdir "$stage/.claimed" 2>/dev/null; then drop "$stage"; fi
done
`;

/**
 * Looks at what arrived, gives it owner and mode, and moves all of it into place; puts everything back when something fails.
 *
 * Arguments: `OWNER` or nothing; how many words the check has, and the words; then for each file `SHA256 MODE STAGE NAME FINAL`: NAME
 * under the stage, FINAL its last name in the folder that holds the stage.
 */
export const PLACE = `set -eu
umask 077
trap '' HUP
${DROP}
owner=$1 words=$2; shift 2
check=
while [ "$words" -gt 0 ]; do
  # Quoted again for eval, as they were quoted to get here.
  check="$check '$(printf '%s' "$1" | sed "s/'/'\\\\\\\\''/g")'"
  words=$((words - 1)); shift
done

fail() { echo "$*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n -- "$@"; fi; }
if command -v sha256sum >/dev/null 2>&1; then digest=sha256sum
elif command -v shasum >/dev/null 2>&1; then digest='shasum -a 256'
else digest='openssl dgst -sha256 -r'; fi
hash() { if [ -r "$1" ]; then $digest <"$1"; else as_root cat "$1" | $digest; fi | cut -c 1-64; }
each() { # ACTION [SHA256 MODE STAGE NAME FINAL] …
  action=$1; shift
  while [ $# -gt 0 ]; do
    folder=\${3%/*}
    "$action" "$1" "$2" "$3" "$4" "$5" || return 1
    shift 5
  done
}

stages= locked=
note() {
  case $nl$stages in *"$nl$3$nl"*) return 0 ;; esac
  mkdir "$3/.claimed" || fail "$folder: was given up meanwhile"
  stages=$stages$3$nl
}
end() {
  [ -z "$locked" ] || rmdir "$locked" 2>/dev/null || :
  drop_lines "$stages"
}
trap end EXIT
trap 'exit 1' INT TERM
each note "$@"

arrived() {
  [ -f "$3/$4" ] || fail "$folder/$5: did not arrive"
  [ "$(hash "$3/$4")" = "$1" ] || fail "$folder/$5: arrived as something else than was sent"
  [ ! -d "$folder/$5" ] || fail "$folder/$5: is a folder"
}
own() {
  chmod "$2" "$3/$4" || return 1
  # Whoever owns a file may give it to a group of theirs; for the rest it takes root.
  [ -z "$owner" ] || chown -h "$owner" "$3/$4" 2>/dev/null || as_root chown -h "$owner" "$3/$4" || fail "$folder/$5: cannot be given to $owner"
  sync "$3/$4" 2>/dev/null || :
}
# A hard link keeps the old file at no cost; a copy where the file system or its guard does not allow one.
keep() {
  mkdir -p "$3/old" "$3/new" || return 1
  if [ -e "$folder/$5" ]; then
    ln "$folder/$5" "$3/old/$5" 2>/dev/null || cp -p "$folder/$5" "$3/old/$5" 2>/dev/null ||
      as_root cp -p "$folder/$5" "$3/old/$5" || fail "$folder/$5: cannot be kept in case the new one is of no use"
  fi
  mv -f "$3/$4" "$3/new/$5"
}
# All files of a folder go in one call: what lies between two renames is microseconds, and a crash in them is mended by the next deployment.
move() { [ ! -e "$3/new/$5" ] || mv -f "$3"/new/* "$folder/"; }
# What is still in new never left it. One file that stays away keeps no other from coming back.
back() {
  if [ -e "$3/new/$5" ]; then return 0
  elif [ -e "$3/old/$5" ]; then mv -f "$3/old/$5" "$folder/$5"
  else rm -f "$folder/$5"; fi || echo "$folder/$5: the old one could not be put back" >&2
}
landed() { [ "$(hash "$folder/$5")" = "$1" ] || fail "$folder/$5: somebody else wrote it at the same time"; }
lock() { # FOLDER; two deployments at once would mix their pairs
  tries=0
  until mkdir "$1/.helyos-lock" 2>/dev/null; do
    if [ ! -d "$1/.helyos-lock" ]; then
      mkdir "$1/.helyos-lock" || return 1
      break
    fi
    tries=$((tries + 1))
    # Nobody holds it that long: its holder is gone.
    [ "$tries" -le 60 ] || { rmdir "$1/.helyos-lock" 2>/dev/null || :; tries=0; }
    sleep 1
  done
  locked=$1/.helyos-lock
}

each arrived "$@"
each own "$@"
first=\${3%/*}
lock "$first"
each keep "$@"
each move "$@" || { each back "$@"; fail "$first: nothing was replaced"; }
each landed "$@"
[ -z "$check" ] || eval "$check" >&2 || { each back "$@"; fail "$first: the new files were refused, and the old ones put back"; }
`;
