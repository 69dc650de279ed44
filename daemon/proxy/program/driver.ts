/**
 * PORT: what differs between the proxies that are programs of their own.
 *
 * @module
 */
import type { Address } from "../backend.ts";

/** A certificate as files. Their names tell their content, so another certificate is another file. */
export interface CertificateFiles {
  /** Unique for this certificate and key, and safe in any configuration: `[a-z0-9._-]+`. */
  readonly tag: string;
  /** PEM, the leaf first; absolute. */
  readonly certFile: string;
  /** PEM, 0600; absolute. */
  readonly keyFile: string;
}

/** A site as a program is told of it: judged, with its files in place. */
export interface PlannedSite {
  /** See `siteId`. */
  readonly id: string;
  /** See `Site.domain`. */
  readonly domain: string;
  readonly upstreams: readonly Address[];
  /** Absent for plain HTTP. */
  readonly certificate?: CertificateFiles;
  readonly redirectToHttps: boolean;
  readonly hstsSeconds?: number;
}

/** All that a program is told. */
export interface Plan {
  /** Sorted by domain. */
  readonly sites: readonly PlannedSite[];
  readonly http: Address;
  readonly https: Address;
  /** Where ACME challenges are answered. */
  readonly challenges: Address;
}

/** A site the program does not take. */
export interface Refusal {
  readonly domain: string;
  /** In a sentence without full stop. */
  readonly reason: string;
}

/** How to run the program, in the foreground. */
export interface Running {
  /** Sends it a signal. */
  signal(name: Deno.Signal): void;
}

/** One kind of program. Calls come one at a time. */
export interface Driver {
  /** `traefik`, `caddy` or `nginx`. */
  readonly name: string;
  /** What to call it, with its version. */
  readonly title: string;
  /** Whether it is started and ended by us. */
  readonly supervised: boolean;
  /** Ends what a daemon that was killed left running, so that its ports are free. Does nothing when nothing is there. */
  endLeftover(): Promise<void>;
  /**
   * Writes what the program must find, and judges it as far as that is possible before it is served.
   *
   * @returns The sites that must change before it can be served at all; none when all is well.
   * @throws {ProgramDown} If it would not do, and no site is to blame.
   */
  prepare(plan: Plan): Promise<readonly Refusal[]>;
  /** Arguments of a start that serves what was prepared. */
  args(plan: Plan): readonly string[];
  /**
   * Makes the running program serve what was prepared, and waits until it does.
   *
   * @returns The sites it did not take; whether others are served meanwhile is the program's affair.
   * @throws {ProgramDown} If nothing of it is served.
   */
  load(plan: Plan, running: Running | undefined, signal: AbortSignal): Promise<readonly Refusal[]>;
  /** Removes what was prepared; with a program that is not ours, takes it out of service. */
  clear(): Promise<void>;
}

/** The program does not serve: `message` says why in a sentence without full stop. */
export class ProgramDown extends Error {
  override readonly name = "ProgramDown";
}

/** A program that cannot be used here at all. */
export class ProgramUnavailable extends Error {
  override readonly name = "ProgramUnavailable";
}
