/**
 * The programs tests judge by: Debian's, and peers built by scripts/install_tools.sh.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

const PEERS = join(Deno.env.get("HELYOS_PEERS") ?? join(Deno.env.get("HOME") ?? "", ".cache/helyos/peers"), "bin");
const FOLDERS = [PEERS, ...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];

/** Full path of a program, a peer before what Debian installs; undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * Whether a test must be skipped for want of programs. With `CI` set it never is: a missing program then fails the test.
 *
 * @example
 * ```ts ignore
 * Deno.test({ name: "…", ignore: lacking("pebble", "nginx"), fn });
 * ```
 */
export function lacking(...names: readonly string[]): boolean {
  return !Deno.env.get("CI") && names.some((name) => findTool(name) === undefined);
}

/** Full path of a program that a test needs. */
export function tool(name: string): string {
  const path = findTool(name);
  if (path === undefined) throw new Error(`${name} is not installed: run scripts/install_tools.sh`);
  return path;
}
