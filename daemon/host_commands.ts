/**
 * What the operator does on the host itself: see the CA's fingerprints, replace a lost token, check a configuration.
 *
 * @module
 */
import { type Config, ConfigError } from "./config.ts";
import { checkMasterKey, openSealer } from "./secrets/mod.ts";
import { hostPort, ListenError, probePort } from "./server/listen.ts";
import { checkSqliteStore, openSqliteStore } from "./store/sqlite.ts";
import { checkTakeover } from "./takeover/takeover.ts";
import { resetFirstToken } from "./tokens/first_token.ts";
import { createHasher } from "./tokens/hasher.ts";
import { checkTrust, readCa } from "./trust/mod.ts";
import { dataDirError, refuseEarly, trustOptions, type World } from "./serve.ts";

/**
 * `helyosd ca`: the fingerprints of the CA, in every form a client may show.
 *
 * @returns What to print.
 * @throws {ConfigError} If there is no CA here.
 */
export async function describeHostCa(dataDir: string): Promise<string> {
  const ca = await readCa(dataDir).catch((error) => {
    throw dataDirError(dataDir, error);
  });
  if (ca === undefined) {
    throw new ConfigError(
      `no control-plane CA in ${dataDir}: it is made by the first start with TLS; was that with another --data-dir?`,
    );
  }
  return [
    `SHA-256:      ${ca.sha256}`,
    `  of the certificate (DER): ${ca.derSha256}`,
    `  of the public key (SPKI): ${ca.spkiSha256}`,
    `valid:        ${ca.notBefore.toISOString()} to ${ca.notAfter.toISOString()}`,
    `pin it with:  helyos login SERVER --ca-fingerprint ${ca.sha256}`,
  ].join("\n");
}

/**
 * `helyosd token reset`: a new first token; the old one stops working at once, also in a daemon that runs.
 *
 * @returns The secret.
 * @throws {ConfigError} If no daemon has ever started here.
 */
export async function resetToken(dataDir: string, now: () => Date): Promise<string> {
  try {
    await Deno.stat(`${dataDir}/state.db`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw dataDirError(dataDir, error);
    throw new ConfigError(`no state in ${dataDir}: helyosd has not run there; name its --data-dir`);
  }
  await using store = await openSqliteStore(`${dataDir}/state.db`, { now });
  await using hasher = createHasher();
  return await resetFirstToken({ store, hasher, now, forget: () => {/* a running daemon watches the store */} });
}

/**
 * `helyosd --check`: everything a start would judge, and nothing changed.
 *
 * @returns What would be served.
 * @throws {Error} As a start would.
 */
export async function checkStart(config: Config, world: Pick<World, "now" | "hostname">): Promise<string> {
  await refuseEarly(config, world);
  const warnings: string[] = [];
  if (config.port !== 0) {
    try {
      probePort(config.host, config.port);
    } catch (error) {
      if (!(error instanceof ListenError) || !(error.cause instanceof Deno.errors.AddrInUse)) throw error;
      warnings.push(`${error.message}; that is as it should be while this very daemon runs`);
    }
  }
  const known = await dataDirState(config.dataDir);
  if (known !== "new") await checkSqliteStore(`${config.dataDir}/state.db`);
  const key = known === "new" ? "absent" : await checkMasterKey(config.dataDir);
  // Opening creates the key when there is none, so it is opened only when there is one
  const sealer = key === "present" ? await openSealer(config.dataDir) : undefined;
  const trust = await checkTrust(
    { dataDir: config.dataDir, sealer, now: world.now },
    trustOptions(config, world.hostname),
  );
  warnings.push(...trust.warnings);
  const original = known === "original" ? await checkTakeover(config.dataDir, world.now()) : undefined;
  const scheme = config.tls ? "https" : "http";
  return [
    `helyosd would serve ${scheme}://${hostPort(config.host, config.port)}`,
    `data directory: ${config.dataDir} (${DESCRIPTIONS[known]})`,
    ...(original === undefined ? [] : [`taken over: ${original.tokens} tokens, ${original.projects} projects`]),
    ...trust.lines.map((line) => `TLS: ${line}`),
    `API token: ${
      config.apiToken !== undefined ? "as given" : known === "new" ? "made and shown by the first start" : "as stored"
    }`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}

const DESCRIPTIONS = {
  new: "new",
  ours: "in use before",
  original: "of an original helyosd, to be taken over",
} as const;

async function dataDirState(dataDir: string): Promise<keyof typeof DESCRIPTIONS> {
  try {
    const info = await Deno.stat(dataDir);
    if (!info.isDirectory) throw new Deno.errors.NotADirectory(dataDir);
    const names = new Set<string>();
    for await (const entry of Deno.readDir(dataDir)) names.add(entry.name);
    return names.has("state.db") ? "ours" : names.has("helyos.db") ? "original" : names.size > 0 ? "ours" : "new";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "new";
    throw dataDirError(dataDir, error);
  }
}
