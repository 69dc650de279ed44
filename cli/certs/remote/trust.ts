/**
 * The trust store of a machine: the CA put into it, and taken out again.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { CliError } from "../../failure.ts";
import type { Ca } from "../ca.ts";
import { fingerprint } from "../store.ts";
import { complaint } from "./process.ts";
import type { Shell } from "./shell.ts";
import { SCRATCH, TRUST } from "./trust_scripts.ts";

/** Kinds of trust stores. */
const SYSTEMS = ["debian", "rhel", "macos"] as const;
/** What can become of a CA there. */
const STATES = ["installed", "present", "removed", "absent", "elsewhere"] as const;

/** What became of the CA. */
export interface TrustOutcome {
  /** Which kind of store the machine has. */
  readonly system: (typeof SYSTEMS)[number];
  /**
   * `installed` or `removed` now; `present` or `absent` already; `elsewhere`: another file of the same certificate, which is not ours
   * to remove, keeps it trusted.
   */
  readonly state: (typeof STATES)[number];
}

/**
 * Puts the CA into a machine's trust store, or takes it out. It is recognised by its DER, whatever the file is called.
 *
 * @param shell The machine.
 * @param action What to do.
 * @param ca The CA.
 * @returns What became of it.
 * @throws {CliError} If it cannot be done; the message names the machine.
 */
export async function changeTrust(shell: Shell, action: "install" | "remove", ca: Ca): Promise<TrustOutcome> {
  const failed = (why: string): CliError =>
    new CliError(`cannot ${action} the CA ${action === "install" ? "on" : "from"} ${shell.name}: ${why}`, {
      code: "trust_failed",
      hint: /password is required|a terminal is required|needs root/.test(why)
        ? `the account needs sudo without a password there for this once, or log in as root (ssh_user: root)`
        : undefined,
    });
  const scratch = await shell.run(SCRATCH);
  const folder = scratch.stdout.trim().split("\n").at(-1) ?? "";
  if (scratch.code !== 0 || !/^\/tmp\/helyos-\w+$/.test(folder)) throw failed(complaint(scratch));
  try {
    await shell.upload([ca.home.caCert], folder);
    const body = Buffer.from(ca.anchor.der).toString("base64");
    const outcome = await shell.run(TRUST, [action, fingerprint(ca.anchor), body, folder]);
    if (outcome.code !== 0) throw failed(complaint(outcome));
    const [system, state] = outcome.stdout.trim().split("\n").at(-1)?.split(" ") ?? [];
    const known = SYSTEMS.find((name) => name === system);
    const became = STATES.find((name) => name === state);
    if (known === undefined || became === undefined) {
      throw failed(`cannot understand ${JSON.stringify(outcome.stdout)}`);
    }
    return { system: known, state: became };
  } finally {
    await shell.run('rm -rf -- "$1"', [folder]).catch(() => {});
  }
}
