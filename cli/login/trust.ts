/**
 * How `helyos login` comes to trust a server, before anything secret is sent to it.
 *
 * @module
 */
import type { FetchedCa, FingerprintForm, PinningError } from "@helyos/pinning";
import type { Surroundings } from "../command.ts";
import { openConnection, type Target } from "../connect.ts";
import { CliError, reasonOf, UsageError } from "../failure.ts";
import { confirm } from "../prompt.ts";
import { sayWarning } from "../say.ts";
import { isLoopback, parseProxy } from "../server.ts";

/** What the user said about trust. */
export interface TrustChoices {
  /** The server, complete. */
  readonly server: string;
  /** `--insecure-skip-tls-verify`. */
  readonly skipVerify: boolean;
  /** `--insecure-http`. */
  readonly allowHttp: boolean;
  /** `--ca-file`. */
  readonly caFile: string | undefined;
  /** `--ca-fingerprint`. */
  readonly fingerprint: string | undefined;
  /** The CA pinned by the context that this login comes back to, base64 of its PEM: it needs no second answer. */
  readonly known: string | undefined;
  /** The CAs that contexts pin for this server, that one first: any other deserves a warning. */
  readonly pinned: readonly string[];
}

/** What a login pins. */
export interface Trust {
  /** How the server is trusted from now on. */
  readonly tls: Target["tls"];
  /** The CA to pin. */
  readonly ca?: { readonly pem: Uint8Array<ArrayBuffer>; readonly sha256: string };
}

/** How long the one unverified request may take, in milliseconds. */
const CA_TIMEOUT_MS = 10_000;

/**
 * Decides how to trust the server. The only unverified request is the one that fetches the CA, and it carries nothing.
 *
 * @param surroundings The invocation.
 * @param choices What the user said.
 * @returns What to pin.
 * @throws {CliError} If there is no way to trust it, or the user does not.
 */
export async function establishTrust(surroundings: Surroundings, choices: TrustChoices): Promise<Trust> {
  await checkFingerprint(choices.fingerprint);
  const url = new URL(choices.server);
  if (url.protocol === "http:") return trustHttp(surroundings, choices, url);
  if (choices.skipVerify) {
    sayWarning(surroundings, "--insecure-skip-tls-verify: the server certificate will NOT be verified");
    return { tls: "insecure" };
  }
  if (choices.caFile !== undefined) {
    const pem = await readCaFile(surroundings, choices.caFile);
    if (choices.fingerprint !== undefined) await requireMatch(choices.fingerprint, pem);
    return await pin(pem);
  }
  const fetched = await fetchUnverified(surroundings, choices);
  if (fetched === undefined) return await trustSystem(surroundings, choices);
  const pem = new TextEncoder().encode(fetched.pem);
  if (fetched.form === undefined && choices.known !== pem.toBase64()) {
    await trustOnFirstUse(surroundings, { ...choices, pem });
  } else if (!surroundings.globals.json && (fetched.form === "der" || fetched.form === "spki")) {
    surroundings.io.stderr.write(`The fingerprint matched the CA's ${FORM_NAMES[fetched.form]}.\n`);
  }
  return await pin(pem);
}

const FORM_NAMES: Readonly<Record<FingerprintForm, string>> = {
  pem: "PEM text",
  der: "certificate (DER, as openssl x509 -fingerprint prints it)",
  spki: "public key (SPKI)",
};

const TRIED: Readonly<Record<FingerprintForm, string>> = {
  pem: "PEM text",
  der: "certificate (DER)",
  spki: "public key (SPKI)",
};

/** Judged before anything touches the network. */
async function checkFingerprint(text: string | undefined): Promise<void> {
  if (text === undefined) return;
  const { parseFingerprint } = await import("@helyos/pinning");
  try {
    parseFingerprint(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`invalid value '${text}' for '--ca-fingerprint <SHA256>': ${why}`);
  }
}

function trustHttp(surroundings: Surroundings, choices: TrustChoices, url: URL): Trust {
  if (!isLoopback(url) && !choices.allowHttp) {
    throw new CliError(`refusing to send a token to ${choices.server} over plain HTTP`, {
      code: "plain_http",
      hint: "Use https://, or pass --insecure-http if everybody on the way may read the token",
    });
  }
  if (choices.caFile !== undefined || choices.fingerprint !== undefined) {
    sayWarning(surroundings, "the server is plain HTTP: there is no certificate, and the CA options have no effect");
  }
  return { tls: "http" };
}

async function readCaFile({ io }: Surroundings, path: string): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await io.readFile(path);
  } catch (cause) {
    throw new CliError(`read CA file ${path}: ${reasonOf(cause)}`, {
      code: "unreadable_file",
      cause,
    });
  }
  if (/-----BEGIN CERTIFICATE-----/.test(new TextDecoder().decode(bytes))) return bytes;
  throw new CliError(`CA file ${path} holds no PEM certificate`, {
    code: "invalid_ca",
    hint: "A DER file becomes PEM with: openssl x509 -inform der -in FILE",
  });
}

/** The CA the server offers, which verifies that server; undefined when it has none of its own. */
async function fetchUnverified(
  { globals }: Surroundings,
  { server, fingerprint }: TrustChoices,
): Promise<FetchedCa | undefined> {
  if (!isWholeHost(server)) return undefined;
  const { fetchCa } = await import("@helyos/pinning");
  try {
    return await fetchCa(server, {
      timeoutMs: CA_TIMEOUT_MS,
      ...(fingerprint === undefined ? {} : { expected: fingerprint }),
      ...(globals.proxy === undefined ? {} : { proxy: parseProxy(globals.proxy) }),
    });
  } catch (error) {
    const { code, got } = error as Partial<PinningError>;
    if (code === "no_ca") return undefined;
    if (code === "fingerprint_mismatch") throw await mismatch(fingerprint ?? "", got ?? "");
    const { explainConnection } = await import("../explain.ts");
    throw explainConnection(error, { ...unpinned(server), proxy: globals.proxy });
  }
}

/** Behind a path there is somebody else who ends TLS, and the daemon's CA says nothing about him. */
function isWholeHost(server: string): boolean {
  return new URL(server).pathname === "/";
}

/** A 404: there is nothing to pin, so this system's roots must vouch for the server. */
async function trustSystem({ globals }: Surroundings, choices: TrustChoices): Promise<Trust> {
  const none = isWholeHost(choices.server)
    ? "server did not return a self-signed CA (404 Not Found)"
    : "a server below a path is not asked for its CA";
  if (choices.fingerprint !== undefined) {
    throw new CliError(`${none}, so there is nothing that --ca-fingerprint could match`, {
      code: "no_ca",
      hint: "Pass the CA that signed its certificate with --ca-file <pem>",
    });
  }
  await using connection = openConnection(unpinned(choices.server), globals.proxy);
  try {
    const response = await connection.fetch("/api/v1/version");
    await response.body?.cancel();
    return { tls: "system" };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`${none}, and this system's roots do not verify it: ${why}`, {
      code: cause instanceof CliError ? cause.code : "unknown_ca",
      hint: "Pass the CA that signed its certificate with --ca-file <pem>",
      cause,
    });
  }
}

async function trustOnFirstUse(
  { io }: Surroundings,
  { server, pinned, pem }: TrustChoices & { pem: Uint8Array<ArrayBuffer> },
): Promise<void> {
  const sha256 = await fingerprintOf(pem);
  if (!io.stdin.isTerminal) {
    throw new CliError(
      `refusing to pin a CA non-interactively without --ca-fingerprint (server ${server}, got ${sha256})`,
      { code: "unconfirmed_ca", hint: "Compare it with what `helyosd ca` prints on the server, then pass it" },
    );
  }
  const [before] = pinned;
  if (before !== undefined && !pinned.includes(pem.toBase64())) {
    const expected = await Promise.try(() => fingerprintOf(Uint8Array.fromBase64(before))).catch(() => "unreadable");
    io.stderr.write(
      `WARNING: this is NOT the CA pinned for this server before. Somebody may be in between.\n  pinned:  ${expected}\n`,
    );
  }
  io.stderr.write(`The server ${server} presented a self-signed CA:\n  SHA-256: ${sha256}\n`);
  if (await confirm(io, "Trust and pin this CA?")) return;
  throw new CliError("aborted: CA not trusted", { code: "ca_not_trusted" });
}

async function requireMatch(expected: string, pem: Uint8Array<ArrayBuffer>): Promise<void> {
  const { matchFingerprint } = await import("@helyos/pinning");
  let match: unknown;
  try {
    match = await matchFingerprint(expected, pem);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`cannot compare --ca-fingerprint with the CA file: ${why}`, { code: "invalid_ca", cause });
  }
  if (match === undefined) throw await mismatch(expected, await fingerprintOf(pem));
}

async function mismatch(expected: string, got: string): Promise<CliError> {
  const { fingerprintForms } = await import("@helyos/pinning");
  const tried = fingerprintForms(expected).map((form) => TRIED[form]).join(", ");
  return new CliError(
    "CA fingerprint mismatch — aborting (possible MITM)\n" +
      `  expected: ${expected}\n` +
      `  got:      ${got}\n` +
      `  tried:    the SHA-256 of its ${tried}`,
    { code: "fingerprint_mismatch", hint: "Compare with what `helyosd ca` prints on the server itself" },
  );
}

async function pin(pem: Uint8Array<ArrayBuffer>): Promise<Trust> {
  return { tls: "pinned", ca: { pem, sha256: await fingerprintOf(pem) } };
}

async function fingerprintOf(pem: Uint8Array<ArrayBuffer>): Promise<string> {
  const { fingerprintOfPem } = await import("@helyos/pinning");
  return await fingerprintOfPem(pem);
}

function unpinned(server: string): Target {
  return {
    server,
    tls: "system",
    ca: undefined,
    token: undefined,
    context: undefined,
    project: undefined,
    heldBack: undefined,
  };
}
