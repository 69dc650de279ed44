/**
 * The CLI's local context, written by the start that knows a token, so that `helyos status` works at once.
 *
 * @module
 */
import { dirname } from "node:path";
import { isWildcard } from "./config.ts";
import { hostPort } from "./server/listen.ts";

/** What the context says. */
export interface LocalContext {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** The name in a supplied certificate, as far as the operator said so. */
  readonly advertiseAddr?: string | undefined;
  readonly token: string;
  /** The CA to pin; absent without TLS and for a supplied certificate. */
  readonly ca?: { readonly pem: string; readonly sha256: string } | undefined;
}

/** The address the CLI on this machine dials. */
export function localServer(context: Omit<LocalContext, "token">): string {
  const { host, port, tls, ca, advertiseAddr } = context;
  const supplied = tls && ca === undefined;
  const name = supplied && advertiseAddr !== undefined
    ? advertiseAddr
    : host === "127.0.0.1" || isWildcard(host)
    ? "localhost"
    : host;
  return `${tls ? "https" : "http"}://${hostPort(name, port)}`;
}

/**
 * The file as the CLI writes it (contract §8.2).
 *
 * @throws {TypeError} If the token holds a quote, which the format cannot.
 */
export function contextFileText(context: LocalContext): string {
  if (/["\r\n]/.test(context.token)) throw new TypeError("the token contains a quote, which the file cannot hold");
  const lines = [
    "# Managed by `helyos`. Edit with `helyos context` / `helyos login`.",
    'current-context = "local"',
    "",
    "[context.local]",
    `server = "${localServer(context)}"`,
    `token = "${context.token}"`,
    'project = "default"',
  ];
  if (context.ca !== undefined) {
    lines.push(`ca = "${btoa(context.ca.pem)}"`, `ca-sha256 = "${context.ca.sha256}"`);
  }
  return lines.join("\n") + "\n";
}

/**
 * Writes the file unless there is one. It is 0600 from its first instant and whole from its first instant.
 *
 * @returns Whether this call wrote it.
 */
export async function writeFirstContext(path: string, text: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return false;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const folder = dirname(path);
  try {
    await Deno.lstat(folder);
  } catch (error) {
    // Not allowed to look means it was there at the start: only then it is not ours to make
    if (error instanceof Deno.errors.NotFound) await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    else if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
  const temporary = `${path.replace(/\.toml$/, "")}.toml.tmp`; // the CLI's own name for it
  await Deno.remove(temporary).catch(() => {/* left behind by a crash, or not there */});
  const file = await Deno.open(temporary, { createNew: true, write: true, mode: 0o600 });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
    await Deno.link(temporary, path); // refuses to replace what somebody else made meanwhile
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  } finally {
    file.close();
    await Deno.remove(temporary);
  }
}
