/**
 * What faces the internet, put together: routes, their certificates, and the proxy that serves both.
 *
 * @module
 */
import { dnsHookSolver, type Solver } from "@helyos/acme";
import { parseCertificates, PkiError } from "@helyos/pki";
import { Accounts } from "./certificates/accounts.ts";
import type { CertificateDeps } from "./certificates/certificates.ts";
import type { DoctorDeps, Surroundings } from "./certificates/doctor.ts";
import { CertificateKeeper, type KeeperDeps } from "./certificates/keeper.ts";
import { createCertificateMeter } from "./certificates/metrics.ts";
import { runHook } from "./certificates/dns_hook.ts";
import { probe } from "./certificates/probe.ts";
import { type AcmeSettings, LETS_ENCRYPT, LETS_ENCRYPT_STAGING } from "./certificates/settings.ts";
import { ConfigError, type EdgeConfig, isEmail } from "./config.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { ProxyBackend } from "./proxy/backend.ts";
import { createChallenges } from "./proxy/challenges.ts";
import { ProxyChoice } from "./proxy/choice.ts";
import { servedFingerprint } from "./proxy/leaf.ts";
import type { BackendName } from "./proxy/names.ts";
import { ProxyKeeper } from "./proxy/reconcile.ts";
import type { RouteDeps } from "./routes/routes.ts";
import type { Sealer } from "./secrets/mod.ts";
import type { Store } from "./store/store.ts";

/** What it needs. */
export interface EdgeDeps {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly now: () => Date;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Makes a proxy. */
  readonly openBackend: (name: BackendName, chosen: boolean) => Promise<ProxyBackend>;
  /** How long a daemon that died keeps a name from others; for tests. */
  readonly lockMs?: number;
  /** What the doctor may ask of the network. */
  readonly network: Pick<Surroundings, "addresses" | "caa">;
}

/** What features need of it, and what keeps it going. */
export interface Edge extends AsyncDisposable {
  readonly choice: ProxyChoice;
  readonly proxy: ProxyKeeper;
  readonly keeper: CertificateKeeper;
  readonly routes: Pick<RouteDeps, "acme" | "fare">;
  readonly certificates: Omit<CertificateDeps & DoctorDeps, "store" | "now">;
  /** Call it every few seconds. */
  tick(): void;
}

/**
 * Reads the files that the command line names.
 *
 * @throws {ConfigError} If one cannot be read or holds something else.
 */
export async function readAcmeSettings(config: EdgeConfig): Promise<AcmeSettings> {
  const { acmeDirectory: directory, acmeFallbackDirectory: fallback, acmeProfile: profile } = config;
  const staging = config.acmeStagingDirectory ?? (directory === LETS_ENCRYPT ? LETS_ENCRYPT_STAGING : undefined);
  const { acmeKeyType: keyType, acmePreferredChain: preferredChain } = config;
  const ca = config.acmeCaFile === undefined ? undefined : await readFile("--acme-ca-file", config.acmeCaFile);
  if (ca !== undefined) {
    try {
      parseCertificates(ca);
    } catch (cause) {
      if (!(cause instanceof PkiError)) throw cause;
      throw new ConfigError(`cannot use --acme-ca-file ${config.acmeCaFile}: ${cause.message}`, { cause });
    }
  }
  const eab = config.acmeEab;
  const hmacKey = eab === undefined ? undefined : (await readFile("--acme-eab-hmac-file", eab.hmacFile)).trim();
  // Some CAs show it in plain base64, which @helyos/acme takes as well. One character over a group of four is half an octet
  const digits = hmacKey?.replace(/={0,2}$/, "") ?? "";
  if (hmacKey !== undefined && (!/^[\w+/-]{16,}$/.test(digits) || digits.length % 4 === 1)) {
    throw new ConfigError(`cannot use --acme-eab-hmac-file ${eab!.hmacFile}: it holds no key in base64url`);
  }
  return {
    directory,
    ...(staging === undefined ? {} : { staging }),
    ...(fallback === undefined ? {} : { fallback }),
    ...(profile === undefined ? {} : { profile }),
    ...(keyType === undefined ? {} : { keyType }),
    ...(preferredChain === undefined ? {} : { preferredChain }),
    ...(ca === undefined ? {} : { ca }),
    ...(eab === undefined ? {} : { externalAccount: { keyId: eab.keyId, hmacKey: hmacKey! } }),
  };
}

/** Starts everything. Nothing is bound to the internet before the first route. */
export async function openEdge(config: EdgeConfig, settings: AcmeSettings, deps: EdgeDeps): Promise<Edge> {
  const { store, sealer, now, log } = deps;
  await using stack = new AsyncDisposableStack();
  const onError = (error: unknown) => log.error("cannot read what was chosen for the proxy", { cause: String(error) });
  const choice = stack.use(
    await ProxyChoice.open({ store, now, isEmail }, { backend: config.backend, acmeEmail: config.acmeEmail }, onError),
  );
  const challenges = stack.use(createChallenges());
  const { httpListen, httpsListen } = config;
  const proxy = stack.use(
    await ProxyKeeper.open(
      { store, sealer, now, log, challenges, listen: { httpListen, httpsListen }, leaf: servedFingerprint },
      await deps.openBackend(choice.backend, choice.isChosen),
    ),
  );
  const enabled = () => choice.acmeEmail !== undefined;
  const wildcards = () => config.acmeDnsHook !== undefined;
  const lock = deps.lockMs === undefined ? {} : { lockMs: deps.lockMs };
  const accounts = stack.use(new Accounts({ store, sealer, now, settings, email: () => choice.acmeEmail, ...lock }));
  const meter = createCertificateMeter(proxy);
  deps.metrics.add(meter.metrics);
  const http = challenges.solver(() => proxy.status());
  const dns = config.acmeDnsHook === undefined ? [] : [
    dnsHookSolver({ program: config.acmeDnsHook, run: runHook }),
  ];
  const solvers: readonly Solver[] = [http, ...dns];
  const keeperDeps: KeeperDeps = { store, sealer, now, accounts, solvers, settings, log, enabled, meter, ...lock };
  const keeper = stack.use(new CertificateKeeper(keeperDeps));
  keeper.start();
  let wanted = choice.backend;
  choice.onChange(() => {
    // Compared with what was wanted, not with what serves: the embedded proxy does when another one's program is not there
    const chosen = choice.backend;
    if (chosen !== wanted) {
      wanted = chosen;
      // One that took long to open may not be wanted any more
      deps.openBackend(chosen, true)
        .then((backend) => chosen === wanted ? proxy.switchTo(backend) : backend[Symbol.asyncDispose]())
        .catch((error) => log.error("cannot switch to another proxy", { cause: String(error) }));
    }
    void keeper.tick();
  });
  const owned = stack.move();
  return {
    choice,
    proxy,
    keeper,
    routes: {
      acme: () => ({ enabled: enabled(), wildcards: wildcards() }),
      fare: (route) => proxy.fare(route),
    },
    certificates: {
      sealer,
      settings,
      enabled,
      wildcards,
      accounts,
      seen: (certificate) => proxy.seen(certificate),
      trouble: (domain) => keeper.trouble(domain),
      proxy: () => {
        const { state, detail, http } = proxy.status();
        return { state, detail: `${proxy.backend}: ${detail}`, answers: http !== undefined };
      },
      surroundings: {
        ...deps.network,
        probe: (name, address, signal) => probe({ name, address, signal }, { http, port: 80 }),
      },
    },
    tick() {
      proxy.tick();
      void keeper.tick();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function readFile(flag: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : (cause as Error).message;
    throw new ConfigError(`cannot read ${flag} ${path}: ${why}`, { cause });
  }
}
