/**
 * Starts the daemon: every refusal before anything is written, then state, trust and token, then the socket.
 *
 * @module
 */
import { VERSION } from "@helyos/api";
import { appBindings } from "./app.ts";
import { trimRecords } from "./audit/records.ts";
import { type Config, ConfigError, isLoopback, isWildcard } from "./config.ts";
import { mayRunHook } from "./certificates/dns_hook.ts";
import { systemDns } from "./certificates/system_dns.ts";
import { dataDirError, hasState, judgeDataDir } from "./data_dir.ts";
import type { Deps } from "./deps.ts";
import { openEdge, readAcmeSettings } from "./edge.ts";
import { contextFileText, localServer, writeFirstContext } from "./first_context.ts";
import { hideSecret, type Log } from "./log.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { type Notifier, openNotifier } from "./notify.ts";
import { openBackend } from "./proxy/open.ts";
import { openSealer } from "./secrets/mod.ts";
import { Failure } from "./server/failure.ts";
import { createHandler } from "./server/handler.ts";
import { hostPort, listen, type Listener, probePort } from "./server/listen.ts";
import { type Hold, holdDataDir, refuseIfHeld } from "./store/hold.ts";
import { makePrivateFolder } from "./store/private_files.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import { takeOver } from "./takeover/takeover.ts";
import { type FirstToken, firstTokenShown, prepareFirstToken } from "./tokens/first_token.ts";
import { createHasher } from "./tokens/hasher.ts";
import { TokenVerifier } from "./tokens/verifier.ts";
import { checkTrust, looseKeyWarning, openTrust, type TrustOptions } from "./trust/mod.ts";

/** What of the outside world the daemon is given. */
export interface World {
  readonly log: Log;
  readonly now: () => Date;
  readonly pid: number;
  readonly hostname: string;
  /** Standard error without scrubbing: for the one line that shows the first token. Gives whether it could be written. */
  readonly writeSecret: (line: string) => boolean;
}

/** A daemon that serves. */
export interface Daemon {
  /** Where, for example `https://0.0.0.0:6443`. */
  readonly url: string;
  /** Stops: at once when idle, else within ten seconds. */
  stop(): Promise<void>;
}

/** How often to see whether a certificate is due, or its files have changed. */
const TICK_MS = 5_000;

/** A supplied token of fewer characters is told to be weak: it may be any text. */
const SHORT_TOKEN = 16;

/** How often to cut the audit trail to its bound. */
const TRIM_MS = 3_600_000;

/** What `config` asks trust for. */
export function trustOptions(config: Config, hostname: string): TrustOptions {
  return {
    tls: config.tls,
    certFile: config.tlsCert,
    keyFile: config.tlsKey,
    names: { host: config.host, advertiseAddr: config.advertiseAddr, sans: config.tlsSans, hostname },
  };
}

/**
 * Refuses what can be known to fail before anything is written.
 *
 * @throws {ConfigError | TrustError | ListenError}
 */
export async function refuseEarly(config: Config, world: Pick<World, "now" | "hostname">): Promise<void> {
  if (!config.tls && !isLoopback(config.host) && config.apiToken === undefined && !await hasState(config.dataDir)) {
    throw tokenless();
  }
  await readAcmeSettings(config.edge);
  const hook = config.edge.acmeDnsHook;
  if (hook !== undefined && !await mayRunHook(hook)) {
    throw new ConfigError(`cannot run --acme-dns-hook ${hook}: there is no such program, or it is not executable`);
  }
  const supplied = config.tlsCert !== undefined || config.tlsKey !== undefined;
  if (supplied) await checkTrust({ dataDir: config.dataDir, now: world.now }, trustOptions(config, world.hostname));
}

/**
 * Starts serving.
 *
 * @throws {Error} One sentence on what cannot be and what to do.
 */
export async function serve(config: Config, world: World): Promise<Daemon> {
  const { log, now } = world;
  log.info(`starting helyosd in single-node mode on ${hostPort(config.host, config.port)}`, { version: VERSION });
  await refuseEarly(config, world);
  await refuseIfHeld(config.dataDir); // before the port: a second start names the first, not just its port
  probePort(config.host, config.port);
  await judgeDataDir(config.dataDir, { trust: trustOptions(config, world.hostname), now });
  if (config.apiToken !== undefined) {
    hideSecret(config.apiToken);
    if (config.apiToken.length < SHORT_TOKEN) {
      log.warn(`the given API token is short enough to be guessed; take ${SHORT_TOKEN} random characters or more`);
    }
  }
  if (config.apiTokenVisible) {
    log.warn("--api-token shows the token to everybody on this machine; set HELYOS_API_TOKEN instead");
  }

  await using stack = new AsyncDisposableStack();
  const hold = await openDataDir(config, world);
  stack.use(hold);
  const sealer = await openSealer(config.dataDir);
  log.debug("master key loaded");
  const loose = await looseKeyWarning(`${config.dataDir}/master.key`, "the master key");
  if (loose !== undefined) log.warn(loose);
  const store = await openSqliteStore(`${config.dataDir}/state.db`, { now });
  stack.use(store);
  log.info("state store initialized");
  const taken = await takeOver({ store, dataDir: config.dataDir, now });
  if (taken !== undefined) {
    log.info("took over the original's helyos.db, which stays as it is", {
      tokens: taken.tokens,
      projects: taken.projects,
    });
    for (const row of taken.renamed) log.warn(row);
    for (const row of taken.leftOut) log.warn(`not taken over: ${row}`);
  }

  const hasher = createHasher();
  stack.use(hasher);
  const verifier = new TokenVerifier({
    store,
    hasher,
    now,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    onError: (error) => log.error("background work on tokens failed", { cause: textOf(error) }),
  });
  stack.use(verifier);
  // Argon2id has a thread of its own, so the keys and certificates are made meanwhile
  const [trust, first] = await bothOrNeither(
    openTrust({ dataDir: config.dataDir, sealer, store, now, log }, trustOptions(config, world.hostname)),
    prepareFirstToken({ store, hasher, now, forget: (ids) => verifier.forget(ids) }, config.apiToken),
  );
  stack.use(trust);
  if (first.kind === "existing" && !first.active && !config.tls && !isLoopback(config.host)) throw tokenless();
  if (tellFirstToken(first, world)) await firstTokenShown(store);

  const metrics = createMetrics();
  const acme = await readAcmeSettings(config.edge);
  if (config.edge.acmeEab !== undefined) {
    hideSecret(acme.externalAccount!.hmacKey);
    const loose = await looseKeyWarning(config.edge.acmeEab.hmacFile, "the HMAC key");
    if (loose !== undefined) log.warn(loose);
  }
  const edge = await openEdge(config.edge, acme, {
    store,
    sealer,
    now,
    log,
    metrics,
    openBackend: (name, chosen) => {
      const { backend, proxyProgram } = config.edge;
      const program = backend && proxyProgram ? { of: backend, file: proxyProgram } : undefined;
      return openBackend(name, {
        log,
        folder: `${config.dataDir}/proxy`,
        openFiles: config.edge.openFiles,
        program,
        chosen,
      });
    },
    network: systemDns(),
  });
  stack.use(edge);
  const deps: Deps = { store, hasher, verifier, trust, metrics, edge, now };
  const listener = await startListening(config, deps, log);
  const url = `${config.tls ? "https" : "http"}://${hostPort(config.host, listener.port)}`;
  await hold.listening(url);
  await tellHowToConnect(config, deps, { first, port: listener.port, world });
  log.info(`helyosd API listening on ${url}`);

  stack.use(keepUp(deps, log));
  const notifier = config.notifySocket === undefined ? undefined : stack.use(openNotifier({
    socket: config.notifySocket,
    own: `${config.dataDir}/.notify-${world.pid}.sock`,
    onError: (error) => log.warn("cannot tell systemd how the daemon fares", { cause: textOf(error) }),
  }));
  await notifier?.send(`READY=1\nSTATUS=serving ${url}`);
  return stoppable(url, stack.move(), { listener, notifier });
}

function stoppable(
  url: string,
  resources: AsyncDisposableStack,
  { listener, notifier }: { listener: Listener; notifier: Notifier | undefined },
): Daemon {
  return {
    url,
    async stop() {
      await notifier?.send("STOPPING=1");
      await listener.shutdown();
      await resources.disposeAsync();
    },
  };
}

async function openDataDir(config: Config, world: World): Promise<Hold> {
  try {
    await makePrivateFolder(config.dataDir);
    return await holdDataDir(config.dataDir, { pid: world.pid, host: world.hostname });
  } catch (error) {
    throw dataDirError(config.dataDir, error);
  }
}

/** Waits for both, so that nothing goes on in the background when one fails. */
async function bothOrNeither<A extends AsyncDisposable, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") {
    await first.value[Symbol.asyncDispose]();
    throw second.reason;
  }
  return [first.value, second.value];
}

async function startListening(config: Config, deps: Deps, log: Log): Promise<Listener> {
  const broken = (error: unknown, endpoint: string) =>
    log.error("a request failed inside the daemon", { endpoint, cause: textOf(error) });
  const handler = createHandler(appBindings(deps), {
    authenticate: (token, origin) => deps.verifier.authenticate(token, origin),
    meter: deps.metrics.meter,
    onError: broken,
  });
  const listener = await listen({
    host: config.host,
    port: config.port,
    ...(config.tls ? { certificate: deps.trust.current() } : {}),
    handler,
    onBroken(error) {
      broken(error, "unknown");
      return new Failure("internal", "internal error; the daemon's log says more");
    },
  });
  deps.trust.onChange(() => {
    listener.swap(deps.trust.current()).then(
      () => log.info("serving the new certificate"),
      (error) => log.error("cannot serve the new certificate; the old one stays", { cause: textOf(error) }),
    );
  });
  return listener;
}

/** Certificates stay alive and the audit trail bounded without anybody thinking of it. */
function keepUp({ trust, store, edge }: Deps, log: Log): AsyncDisposable {
  let work: Promise<unknown> = Promise.resolve();
  const run = (job: () => Promise<unknown>) => {
    work = work.then(job).catch((error) => log.error("upkeep failed", { cause: textOf(error) }));
  };
  run(() => trimRecords(store));
  const timers = [
    setInterval(() => run(() => trust.tick()), TICK_MS),
    setInterval(() => edge.tick(), TICK_MS),
    setInterval(() => run(() => trimRecords(store)), TRIM_MS),
  ];
  return {
    async [Symbol.asyncDispose]() {
      timers.forEach(clearInterval);
      await work;
    },
  };
}

/** Whether a secret was shown. */
function tellFirstToken(first: FirstToken, { log, writeSecret }: World): boolean {
  switch (first.kind) {
    case "generated":
      if (first.why === "not_shown") {
        log.warn(
          "an earlier start ended before it had shown its API token, so here is another one; " +
            "should you have seen the earlier one, it works as well, until 'legacy-default' is rotated, revoked or reset",
        );
      }
      log.info("Generated new API token — save this, it will not be shown again:");
      if (writeSecret(`  HELYOS_API_TOKEN=${first.secret}`)) return true;
      log.warn("the API token could not be shown; the next start shows another one");
      break;
    case "stored":
      log.info("API token hash stored (token provided via CLI/env)");
      break;
    case "supplied":
      log.info("loaded existing API token hash from store");
      break;
    case "revoked":
      log.warn("the API token given to this start was revoked or has expired, and stays so; give another one");
      break;
    case "existing":
      log.info("loaded existing API token hash from store");
      if (!first.active) log.warn("no token works any more; make one with: helyosd token reset");
  }
  return false;
}

async function tellHowToConnect(
  config: Config,
  { trust }: Deps,
  { first, port, world }: { first: FirstToken; port: number; world: World },
): Promise<void> {
  const { log } = world;
  if (config.tls) {
    const dial = config.advertiseAddr ?? (isWildcard(config.host) ? world.hostname : config.host);
    const pin = trust.ca === undefined ? "" : ` --ca-fingerprint ${trust.ca.sha256}`;
    log.info(`HTTPS enabled. Connect the CLI with:\nhelyos login https://${hostPort(dial, port)}${pin}`);
  }
  if (!("secret" in first) || config.contextFile === undefined) return;
  try {
    const text = contextFileText({
      host: config.host,
      port,
      tls: config.tls,
      advertiseAddr: config.advertiseAddr,
      token: first.secret,
      ca: trust.ca,
    });
    if (await writeFirstContext(config.contextFile, text)) {
      log.info(`wrote local CLI context to ${config.contextFile} — \`helyos status\` works at once`);
    } else if (first.kind === "generated" && !config.tls) {
      log.info(
        `left ${config.contextFile} as it is. Connect the CLI with:\nhelyos login ${localServer({ ...config, port })}`,
      );
    }
  } catch (error) {
    log.warn(`could not write a local CLI context to ${config.contextFile}`, { cause: textOf(error) });
  }
}

function tokenless(): ConfigError {
  return new ConfigError(
    "refusing to expose a non-loopback address with no API token configured; set --api-token / HELYOS_API_TOKEN first",
  );
}

/** An error and what caused it, in one line. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${textOf(error.cause)})`;
}
