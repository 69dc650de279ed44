import { inspect } from "node:util";

/** The lowest TLS version to speak. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** What a {@linkcode TlsConfig} is made of. Every field is optional. */
export interface TlsConfigInit {
  /** PEM file with the certificate; a chain, leaf first, is allowed. */
  readonly certificatePath?: string | undefined;
  /** PEM file with the private key of the certificate. */
  readonly privateKeyPath?: string | undefined;
  /**
   * Whom to trust: PEM files, or folders of `*.pem`, `*.crt` and `*.cer`. One string may join several with `:`;
   * the elements of an array are never split. Nothing else is trusted, least of all the system's roots.
   */
  readonly caCertificatesPath?: string | readonly string[] | undefined;
  /** Passphrase of an encrypted private key. Ignored when the key is not encrypted. */
  readonly keyPassword?: string | Uint8Array | undefined;
  /**
   * PEM or DER files, or folders of `*.pem` and `*.crl`, with the revocation lists of the CAs. When given, a peer is
   * refused if it is revoked or if no current list of its issuer is there.
   */
  readonly revocationListsPath?: string | readonly string[] | undefined;
  /**
   * The lowest TLS version to speak.
   * @default {"TLSv1.3"}
   */
  readonly minVersion?: TlsVersion | undefined;
}

const FIELDS: ReadonlySet<string> = new Set<keyof TlsConfigInit>([
  "certificatePath",
  "privateKeyPath",
  "caCertificatesPath",
  "keyPassword",
  "revocationListsPath",
  "minVersion",
]);

const REDACTED = "<REDACTED>";

/**
 * Where the TLS files of a client or server are: an immutable value that never prints its secrets.
 *
 * Making one reads no file; {@linkcode buildClientTlsOptions}, {@linkcode buildServerTlsOptions} and everything built on
 * them read and check all files before a socket opens. A misspelt field is refused, since a CA given under a wrong name
 * would silently switch mutual TLS off.
 *
 * @example Secrets stay out of logs
 * ```ts
 * import { TlsConfig } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * const config = new TlsConfig({ certificatePath: "a.pem", privateKeyPath: "a.key", keyPassword: "hunter2" });
 * equal(config.keyPassword, "hunter2");
 * equal(JSON.stringify(config).includes("hunter2"), false);
 * equal(`${config}`.includes("a.key"), false);
 * ```
 */
export class TlsConfig implements TlsConfigInit {
  /** PEM file with the certificate chain, leaf first. */
  readonly certificatePath: string | undefined;
  /** PEM file with the private key. */
  readonly privateKeyPath: string | undefined;
  /** Whom to trust: files or folders. */
  readonly caCertificatesPath: string | readonly string[] | undefined;
  /** Revocation lists: files or folders. */
  readonly revocationListsPath: string | readonly string[] | undefined;
  /** The lowest TLS version to speak. */
  readonly minVersion: TlsVersion;
  readonly #keyPassword: string | Uint8Array | undefined;

  /**
   * Makes a configuration. No file is read.
   *
   * @param init Its fields.
   * @throws {TypeError} If a field is unknown or has the wrong type.
   * @throws {RangeError} If `minVersion` is not `"TLSv1.2"` or `"TLSv1.3"`.
   */
  constructor(init: TlsConfigInit = {}) {
    for (const field of Object.keys(init)) {
      if (!FIELDS.has(field)) throw new TypeError(`Cannot make a TLS configuration: unknown field "${field}"`);
    }
    this.certificatePath = checkPath("certificatePath", init.certificatePath);
    this.privateKeyPath = checkPath("privateKeyPath", init.privateKeyPath);
    this.caCertificatesPath = checkPaths("caCertificatesPath", init.caCertificatesPath);
    this.revocationListsPath = checkPaths("revocationListsPath", init.revocationListsPath);
    this.minVersion = checkVersion(init.minVersion);
    this.#keyPassword = checkPassword(init.keyPassword);
    Object.freeze(this);
  }

  /** Passphrase of the private key. Bytes are a copy: changing them changes nothing here. */
  get keyPassword(): string | Uint8Array | undefined {
    return typeof this.#keyPassword === "object" ? this.#keyPassword.slice() : this.#keyPassword;
  }

  /**
   * Makes a copy with some fields changed.
   *
   * @example The same files for an old peer
   * ```ts
   * import { TlsConfig } from "@helyos/tls";
   * import { equal } from "node:assert/strict";
   *
   * equal(new TlsConfig({ keyPassword: "x" }).with({ minVersion: "TLSv1.2" }).keyPassword, "x");
   * ```
   * @param changes The fields to change; a field given as `undefined` is cleared.
   * @returns The changed copy.
   * @throws {TypeError} If a field is unknown or has the wrong type.
   */
  with(changes: TlsConfigInit): TlsConfig {
    return new TlsConfig({ ...this, keyPassword: this.#keyPassword, ...changes });
  }

  /**
   * Compares by value, passphrase included.
   *
   * @param other The configuration to compare with.
   * @returns Whether all fields are equal.
   */
  equals(other: TlsConfig): boolean {
    return JSON.stringify([{ ...this }, asBytes(this.#keyPassword)]) ===
      JSON.stringify([{ ...other }, asBytes(other.#keyPassword)]);
  }

  /** The fields that may be shown; key path and passphrase read `<REDACTED>`. */
  toJSON(): Record<string, unknown> {
    return {
      certificatePath: this.certificatePath ?? null,
      privateKeyPath: this.privateKeyPath ? REDACTED : null,
      caCertificatesPath: this.caCertificatesPath ?? null,
      keyPassword: this.#keyPassword?.length ? REDACTED : null,
      revocationListsPath: this.revocationListsPath ?? null,
      minVersion: this.minVersion,
    };
  }

  /** One line for logs, without secrets. */
  toString(): string {
    return `TlsConfig(${Object.entries(this.toJSON()).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(", ")})`;
  }

  /** What `console.log` shows in Deno. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** What `console.log` and `util.inspect` show in Node.js. */
  [inspect.custom](): string {
    return this.toString();
  }
}

function checkPath(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new TypeError(`Cannot make a TLS configuration: ${field} is not a string`);
  return value;
}

function checkPaths(field: string, value: unknown): string | readonly string[] | undefined {
  if (!Array.isArray(value)) return checkPath(field, value);
  if (!value.every((path) => typeof path === "string")) {
    throw new TypeError(`Cannot make a TLS configuration: ${field} holds something that is not a string`);
  }
  return Object.freeze([...value]);
}

function checkVersion(value: unknown): TlsVersion {
  if (value === undefined || value === null) return "TLSv1.3";
  if (value === "TLSv1.2" || value === "TLSv1.3") return value;
  throw new RangeError(
    `Cannot make a TLS configuration: minVersion is ${JSON.stringify(value)}, not TLSv1.2 or TLSv1.3`,
  );
}

function checkPassword(value: unknown): string | Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Uint8Array) return value.slice();
  // The value itself must stay out of the message.
  if (typeof value !== "string") {
    throw new TypeError("Cannot make a TLS configuration: keyPassword is neither a string nor bytes");
  }
  return value;
}

function asBytes(password: string | Uint8Array | undefined): number[] | null {
  if (password === undefined) return null;
  return [...(typeof password === "string" ? new TextEncoder().encode(password) : password)];
}
