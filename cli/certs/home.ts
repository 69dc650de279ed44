/**
 * Where the files of the CA and of the services' certificates lie.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { CliError } from "../failure.ts";
import type { Io } from "../io.ts";

/** The two kinds of pairs that a service has: it calls others with one and serves with the other. */
export type PairType = "client" | "server";

/** Both kinds, in the order lists show them. */
export const PAIR_TYPES: readonly PairType[] = ["client", "server"];

/**
 * What a pair is called among others.
 *
 * @param service Whose.
 * @param type What for.
 * @returns `SERVICE/TYPE`
 */
export function pairKey(service: string, type: PairType): string {
  return `${service}/${type}`;
}

/** The paths of one certificate and its key. */
export interface PairPaths {
  /** Whose. */
  readonly service: string;
  /** What for. */
  readonly type: PairType;
  /** Its folder. */
  readonly folder: string;
  /** The certificate, and with an intermediate CA that one's behind it; 0644. */
  readonly cert: string;
  /** The key; 0600. */
  readonly key: string;
}

/** Every path under `HELYOS_PKI_HOME`. */
export interface PkiHome {
  /** The folder itself. */
  readonly folder: string;
  /** What is held while something is changed. */
  readonly lock: string;
  /** The folder of the CA. */
  readonly ca: string;
  /** What every host trusts: the CA, with an intermediate the root; 0644. */
  readonly caCert: string;
  /** The key that signs, without an intermediate; 0600. */
  readonly caKey: string;
  /** With an intermediate: the root's key, to be carried away; 0600. */
  readonly rootKey: string;
  /** With an intermediate: what the root says of it; 0644. */
  readonly intermediateCert: string;
  /** With an intermediate: the key that signs; 0600. */
  readonly intermediateKey: string;
  /** The list of revoked certificates; 0644. */
  readonly crl: string;
  /** With an intermediate: the root's own list, which says that the intermediate is not revoked; 0644. */
  readonly rootCrl: string;
  /** The number of the last certificate, upper-case hex; 0600. */
  readonly serial: string;
  /** A line for every certificate issued, revocation and list; 0600. */
  readonly ledger: string;
  /** The folder of the services' folders. */
  readonly certs: string;
  /** The paths of a service's pair. */
  pair(service: string, type: PairType): PairPaths;
}

/**
 * Finds the CA's files: `HELYOS_PKI_HOME`, else `~/.helyos/pki`.
 *
 * @param io The environment.
 * @returns The paths; nothing needs to be there.
 * @throws {CliError} If there is no home to put them in.
 */
export function pkiHome(io: Pick<Io, "env">): PkiHome {
  const home = io.env("HOME") ?? io.env("USERPROFILE");
  const folder = io.env("HELYOS_PKI_HOME") ?? (home && join(home, ".helyos", "pki"));
  if (folder === undefined) {
    throw new CliError("cannot tell where the CA's files are: neither HELYOS_PKI_HOME nor HOME is set", {
      code: "no_home",
      hint: "export HELYOS_PKI_HOME=/path/to/pki",
    });
  }
  return pkiHomeAt(resolve(folder));
}

/**
 * The paths under a folder.
 *
 * @param folder The folder.
 * @returns The paths.
 */
export function pkiHomeAt(folder: string): PkiHome {
  const ca = join(folder, "ca");
  const certs = join(folder, "certs");
  return {
    folder,
    lock: join(folder, "lock"),
    ca,
    caCert: join(ca, "ca-cert.pem"),
    caKey: join(ca, "ca-key.pem"),
    rootKey: join(ca, "root-key.pem"),
    intermediateCert: join(ca, "intermediate-cert.pem"),
    intermediateKey: join(ca, "intermediate-key.pem"),
    crl: join(ca, "crl.pem"),
    rootCrl: join(ca, "root-crl.pem"),
    serial: join(ca, "serial"),
    ledger: join(ca, "ledger.jsonl"),
    certs,
    pair(service, type) {
      const own = join(certs, checkServiceName(service));
      return { service, type, folder: own, cert: join(own, `${type}-cert.pem`), key: join(own, `${type}-key.pem`) };
    },
  };
}

/**
 * Finds the registry: `HELYOS_REGISTRY`, else `registry.yml` in the current folder.
 *
 * @param io The environment.
 * @returns The path; nothing needs to be there.
 */
export function registryPath(io: Pick<Io, "env">): string {
  return io.env("HELYOS_REGISTRY") ?? "registry.yml";
}

/**
 * Refuses what is no name of a service: it becomes a part of paths, host names and remote command lines.
 *
 * @param name What was typed, or stands in the registry.
 * @returns The same.
 * @throws {CliError} If it holds anything but letters, digits, `_` and `-`, or starts with one of the latter.
 */
export function checkServiceName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name) && name.length <= 63) return name;
  throw new CliError(`invalid service name ${JSON.stringify(name)}`, {
    code: "invalid_service",
    hint: "A name has 1 to 63 letters, digits, '_' and '-', and starts with a letter or digit",
  });
}
