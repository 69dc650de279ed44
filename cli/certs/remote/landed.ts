/**
 * Looks what lies on a target, and changes nothing.
 *
 * @module
 */
import { CliError } from "../../failure.ts";
import type { PlacedFile } from "./place.ts";
import { complaint } from "./process.ts";
import type { Shell } from "./shell.ts";

/** What lies where a file belongs. */
export interface Landed {
  /** Whether it is what we would send: `same`, `other`, `missing`, or `hidden` where we may not read it. */
  readonly state: "same" | "other" | "missing" | "hidden";
  /** Its mode, in octal digits; undefined where it cannot be told. */
  readonly mode?: string;
}

/** Arguments: the files. Prints for each `STATE MODE SHA256`. */
const LOOK = `set -u
if command -v sha256sum >/dev/null 2>&1; then digest=sha256sum
elif command -v shasum >/dev/null 2>&1; then digest='shasum -a 256'
else digest='openssl dgst -sha256 -r'; fi
for file; do
  case $file in '~/'*) file=$HOME/\${file#??} ;; esac
  mode=$(stat -L -c %a -- "$file" 2>/dev/null || stat -L -f %Lp "$file" 2>/dev/null || echo -)
  if [ -r "$file" ]; then echo "seen $mode $($digest <"$file" | cut -c 1-64)"
  elif [ "$(id -u)" != 0 ] && sudo -n -- test -f "$file" 2>/dev/null; then
    echo "seen \${mode:--} $(sudo -n -- cat "$file" | $digest | cut -c 1-64)"
  elif [ -e "$file" ]; then echo "hidden $mode -"
  else echo 'missing - -'; fi
done
`;

/**
 * Compares what lies on a target with what would be sent.
 *
 * @param shell The machine.
 * @param files The files.
 * @param signal Gives up.
 * @returns What lies there, in the order of the files.
 * @throws {CliError} If the machine cannot be asked.
 */
export async function lookThere(
  shell: Shell,
  files: readonly PlacedFile[],
  signal?: AbortSignal,
): Promise<readonly Landed[]> {
  const outcome = await shell.run(LOOK, files.map(({ to }) => to), signal);
  const lines = outcome.stdout.trim().split("\n").slice(-files.length);
  if (outcome.code !== 0 || lines.length !== files.length) {
    throw new CliError(`cannot look at ${files[0]?.to} on ${shell.name}: ${complaint(outcome)}`, { code: "unseen" });
  }
  return files.map(({ sha256 }, at): Landed => {
    const [state, mode, seen] = lines[at]!.split(" ");
    const known = mode === undefined || mode === "-" ? {} : { mode: mode.padStart(4, "0") };
    if (state === "seen") return { state: seen === sha256 ? "same" : "other", ...known };
    return { state: state === "hidden" ? "hidden" : "missing", ...known };
  });
}
