/**
 * Opens whatever the flags ask for: no TLS, the own CA, or a supplied certificate.
 *
 * @module
 */
import type { Sealer } from "../secrets/sealer.ts";
import { TrustError } from "./errors.ts";
import { sha256 } from "./fingerprints.ts";
import { readMaterial } from "./material.ts";
import { type NameOptions, serverNames } from "./names.ts";
import { openOwn, type OwnTrustDeps } from "./own.ts";
import { planOwn } from "./plan.ts";
import { openSupplied, readSupplied, type SuppliedFiles } from "./supplied.ts";
import type { TrustState } from "./trust.ts";

/** What the flags say. */
export interface TrustOptions {
  /** Whether to serve TLS at all. */
  readonly tls: boolean;
  /** `--tls-cert`. */
  readonly certFile?: string | undefined;
  /** `--tls-key`. */
  readonly keyFile?: string | undefined;
  /** Where the names of a self-signed certificate come from. */
  readonly names: NameOptions;
}

/**
 * Opens it, creating files when the own CA needs them.
 *
 * @throws {TrustError} If what is there, or was given, cannot be served.
 * @throws {SecretError} If the own CA's key does not open.
 */
export function openTrust(deps: OwnTrustDeps, options: TrustOptions): Promise<TrustState> {
  return dispatch<TrustState>(options, {
    off: () => Promise.resolve(new NoTrust()),
    supplied: (files) => openSupplied(deps, files),
    own: () => openOwn(deps, serverNames(options.names)),
  });
}

/** What {@linkcode checkTrust} found. */
export interface TrustReport {
  readonly mode: TrustState["mode"];
  /** What would be served, a line each. */
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
}

/** What checking needs. */
export interface CheckTrustDeps {
  readonly dataDir: string;
  /** Absent when there is no `master.key` yet. */
  readonly sealer?: Sealer | undefined;
  readonly now: () => Date;
}

/**
 * Does all that {@linkcode openTrust} does but writing.
 *
 * @throws {TrustError} As `openTrust`.
 * @throws {SecretError} As `openTrust`.
 */
export function checkTrust(deps: CheckTrustDeps, options: TrustOptions): Promise<TrustReport> {
  return dispatch<TrustReport>(options, {
    off: () => Promise.resolve({ mode: "off", lines: ["plain HTTP, no certificate"], warnings: [] }),
    async supplied(files) {
      const { notAfter, warnings } = await readSupplied(files, deps.now());
      return {
        mode: "supplied",
        lines: [`the certificate in ${files.certFile}, until ${notAfter.toISOString()}`],
        warnings,
      };
    },
    async own() {
      const names = serverNames(options.names);
      const plan = planOwn(await readMaterial(deps.dataDir, deps.sealer), names, deps.now());
      const listed = [...names.dns, ...names.ip].join(", ");
      if (plan.kind === "keep") {
        const until = plan.pair.notAfter.toISOString();
        return {
          mode: "self-signed",
          lines: [`the certificate that is there, until ${until}`, caLine(plan.ca)],
          warnings: plan.warnings,
        };
      }
      const lines = [`a new certificate for ${listed} (${plan.why})`];
      if (plan.kind === "new_leaf") {
        return { mode: "self-signed", lines: [...lines, caLine(plan.authority.ca)], warnings: [] };
      }
      const warnings = plan.old === undefined
        ? []
        : [`clients must pin the new CA; the old one was SHA-256 ${sha256(plan.old)}`];
      return { mode: "self-signed", lines: [...lines, "a new CA"], warnings };
    },
  });
}

class NoTrust implements TrustState {
  readonly mode = "off";
  current(): never {
    throw new TypeError("Nothing to serve: TLS is off");
  }
  onChange(): void {}
  tick(): Promise<void> {
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

interface Cases<T> {
  off(): Promise<T>;
  supplied(files: SuppliedFiles): Promise<T>;
  own(): Promise<T>;
}

async function dispatch<T>(options: TrustOptions, cases: Cases<T>): Promise<T> {
  const { certFile, keyFile } = options;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [given, other] = certFile === undefined ? ["--tls-key", "--tls-cert"] : ["--tls-cert", "--tls-key"];
    throw new TrustError("one_alone", `Cannot serve TLS with ${given} alone: give ${other} as well, or neither`);
  }
  if (!options.tls) return await cases.off();
  return certFile === undefined ? await cases.own() : await cases.supplied({ certFile, keyFile: keyFile! });
}

function caLine(pem: string): string {
  return `CA with SHA-256 ${sha256(pem)}`;
}
