/**
 * What the operator does on the host itself: see the CA's fingerprints, replace a lost token, check a configuration.
 *
 * @module
 */
import { type Config, ConfigError, type EdgeConfig } from "./config.ts";
import { dataDirError, judgeDataDir } from "./data_dir.ts";
import { DEFAULT_BACKEND } from "./proxy/names.ts";
import { hostPort, ListenError, probePort } from "./server/listen.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import { resetFirstToken } from "./tokens/first_token.ts";
import { createHasher } from "./tokens/hasher.ts";
import { readCa } from "./trust/mod.ts";
import { refuseEarly, trustOptions, type World } from "./serve.ts";

/**
 * `helyosd ca`: the fingerprints of the CA, in every form a client may show.
 *
 * @param json Whether to give one JSON object; its `pem` and `sha256` are those of `/api/v1/ca`.
 * @returns What to print.
 * @throws {ConfigError} If there is no CA here.
 */
export async function describeHostCa(dataDir: string, json = false): Promise<string> {
  const ca = await readCa(dataDir).catch((error) => {
    throw dataDirError(dataDir, error);
  });
  if (ca === undefined) {
    throw new ConfigError(
      `no control-plane CA in ${dataDir}: it is made by the first start with TLS; was that with another --data-dir?`,
    );
  }
  if (json) {
    const { pem, sha256, derSha256, spkiSha256, notBefore, notAfter } = ca;
    const dates = { not_before: notBefore.toISOString(), not_after: notAfter.toISOString() };
    return JSON.stringify({ pem, sha256, der_sha256: derSha256, spki_sha256: spkiSha256, ...dates }, null, 2);
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
  try {
    probePort(config.host, config.port);
  } catch (error) {
    if (!(error instanceof ListenError) || !(error.cause instanceof Deno.errors.AddrInUse)) throw error;
    warnings.push(`${error.message}; that is as it should be while this very daemon runs`);
  }
  const { state, trust, original } = await judgeDataDir(config.dataDir, {
    trust: trustOptions(config, world.hostname),
    now: world.now,
  });
  warnings.push(...trust.warnings);
  const scheme = config.tls ? "https" : "http";
  return [
    `helyosd would serve ${scheme}://${hostPort(config.host, config.port)}`,
    `data directory: ${config.dataDir} (${DESCRIPTIONS[state]})`,
    ...(original === undefined ? [] : [`taken over: ${original.tokens} tokens, ${original.projects} projects`]),
    ...trust.lines.map((line) => `TLS: ${line}`),
    `API token: ${
      config.apiToken !== undefined ? "as given" : state === "new" ? "made and shown by the first start" : "as stored"
    }`,
    ...describeEdge(config.edge),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}

/** What the command line says of public routes; what it leaves open may have been chosen over the API. */
function describeEdge(edge: EdgeConfig): string[] {
  const [http, https] = [edge.httpListen, edge.httpsListen].map(({ host, port }) => hostPort(host, port));
  const backend = edge.backend ?? `as chosen over the API, else ${DEFAULT_BACKEND}`;
  const fallback = edge.acmeFallbackDirectory === undefined ? "" : `, else from ${edge.acmeFallbackDirectory}`;
  const contact = edge.acmeEmail ?? "whom the API names; no --acme-email, so until then none are";
  return [
    `routes: on ${http} and ${https} once there are any, through the proxy ${backend}`,
    `certificates: ordered from ${edge.acmeDirectory}${fallback} for ${contact}`,
  ];
}

const DESCRIPTIONS = {
  new: "new",
  ours: "in use before",
  original: "of an original helyosd, to be taken over",
} as const;
