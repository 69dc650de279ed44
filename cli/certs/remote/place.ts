/**
 * Places files on a machine: all of them or none.
 *
 * @module
 */
import { CliError } from "../../failure.ts";
import { complaint } from "./process.ts";
import { ABANDON, PLACE, PREPARE } from "./place_scripts.ts";
import type { Shell } from "./shell.ts";

/** A file to place. */
export interface PlacedFile {
  /** Its absolute path here. */
  readonly from: string;
  /** SHA-256 of what it must hold, in hex: what arrives is compared with it. */
  readonly sha256: string;
  /** Its absolute path there. */
  readonly to: string;
  /** Its mode there, in octal digits. */
  readonly mode: string;
}

/** What the target says about its files. */
export interface Dressing {
  /** `OWNER`, `OWNER:GROUP` or `:GROUP`; nothing to leave it to whom we log in as. */
  readonly owner?: string | undefined;
  /** The files with the modes they get. */
  readonly files: readonly PlacedFile[];
}

/** How to place files. */
export interface PlaceOptions {
  /** What the messages call it, for example `the certificate of "api"`. */
  readonly what: string;
  /** A file of the target that is read first: the service's `service.yml`. */
  readonly serviceYml?: string | undefined;
  /** Decides on owner and modes, once it is known what that file holds; undefined if there is none. */
  readonly dress?: (serviceYml: string | undefined) => Dressing;
  /** A command of the target that must accept the new files; otherwise the old ones are put back. */
  readonly check?: readonly string[];
  /** Gives up; what was begun is taken away. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Uploads files beside their places, compares what arrived with what was sent, gives it owner and mode, and moves it into place. Until the
 * last step nothing there has changed; if the last step fails, what was there before is put back.
 *
 * @param shell The machine.
 * @param files The files; those of one folder change together.
 * @param options Owner, modes and check.
 * @throws {CliError} If it cannot be done; the message names machine and path.
 */
export async function place(shell: Shell, files: readonly PlacedFile[], options: PlaceOptions): Promise<void> {
  const { what, serviceYml = "", dress = () => ({ files }), check = [], signal } = options;
  files.forEach(({ to }) => judgePath(to, what));
  if (serviceYml !== "") judgePath(serviceYml, what);
  const folders = [...new Set(files.map(({ to }) => folderOf(to)))];
  const failed = (where: string, why: string): CliError =>
    new CliError(`cannot place ${what} on ${shell.name}: ${where}: ${why}`, {
      code: "deploy_failed",
      hint: why.includes("arrived as something else") ? "Was it issued anew meanwhile? Deploy again" : undefined,
    });

  const prepared = await shell.run(PREPARE, [serviceYml, ...folders], signal).catch((error) => {
    if (!(error instanceof CliError)) throw error;
    const { code, hint } = error;
    throw new CliError(`cannot place ${what} in ${folders.join(", ")}: ${error.message}`, { code, hint, cause: error });
  });
  if (prepared.code !== 0) throw failed(folders.join(", "), complaint(prepared));
  const { stages, rest } = readStages(prepared.stdout, folders);
  let ended = false;
  try {
    const dressing: Dressing = dress(rest === "" ? undefined : rest);
    for (const [folder, stage] of stages) {
      await shell.upload(
        files.filter(({ to }) => folderOf(to) === folder).map(({ from }) => from),
        stage.upload,
        signal,
      )
        .catch((error) => {
          if (!(error instanceof CliError) || error.code !== "upload_failed") throw error;
          throw failed(folder, error.message.slice(error.message.indexOf(": ") + 2));
        });
    }
    const tuples = dressing.files.flatMap(({ from, sha256, to, mode }) => [
      sha256,
      mode,
      stages.get(folderOf(to))!.path,
      lastName(from),
      lastName(to),
    ]);
    const args = [dressing.owner ?? "", String(check.length), ...check, ...tuples];
    const placed = await shell.run(PLACE, args, signal);
    ended = placed.code < 128; // What is more was killed here, and may have never begun there.
    if (placed.code !== 0) throw failed(folders.join(", "), complaint(placed));
  } catch (error) {
    // The stage may hold a private key. If the machine is gone, the next deployment sweeps.
    if (!ended) await shell.run(ABANDON, [...stages.values()].map(({ path }) => path)).catch(() => {});
    throw error;
  }
}

/** The line after the stages. */
const END = "helyos--\n";

interface Stage {
  readonly path: string;
  readonly upload: string;
}

function readStages(output: string, folders: readonly string[]): { stages: Map<string, Stage>; rest: string } {
  const end = output.indexOf(END);
  // A login script that prints something comes first.
  const lines = output.slice(0, end).split("\n").filter((line) => line.includes("\t")).slice(-folders.length);
  if (end < 0 || lines.length !== folders.length) {
    throw new CliError(`cannot understand what the target answered: ${JSON.stringify(output.slice(0, 200))}`, {
      code: "deploy_failed",
    });
  }
  const stages = new Map(folders.map((folder, at) => {
    const [path = "", upload = ""] = lines[at]!.split("\t");
    return [folder, { path, upload }] as const;
  }));
  return { stages, rest: output.slice(end + END.length) };
}

/**
 * Refuses paths that no target should be given.
 *
 * @param path The path.
 * @param what What it is for.
 * @throws {CliError} If it is relative, leads upwards, or holds characters no path needs.
 */
export function judgePath(path: string, what: string): void {
  const rooted = path.startsWith("/") || path.startsWith("~/");
  // deno-lint-ignore no-control-regex
  if (rooted && !/[\0-\x1f\x7f]/.test(path) && !path.split("/").includes("..") && !path.endsWith("/")) return;
  throw new CliError(`cannot place ${what}: not a path for a target: ${JSON.stringify(path)}`, {
    code: "bad_registry",
    hint: "hosts.<machine>.path is absolute, and the service's paths start with / and lead nowhere above it",
  });
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
