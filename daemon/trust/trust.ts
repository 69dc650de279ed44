/**
 * What the control plane shows the world: its own CA and certificate, or a supplied one.
 *
 * @module
 */

/** A certificate and its key as the listener takes them. */
export interface ServedCertificate {
  /** PEM: the leaf, then what leads from it to the CA. */
  readonly cert: string;
  /** PEM of its private key. */
  readonly key: string;
  /** When the leaf ends. */
  readonly notAfter: Date;
}

/** The control plane's own CA as `/api/v1/ca` offers it. */
export interface OfferedCa {
  /** The certificate's bytes as text; identical across restarts. */
  readonly pem: string;
  /** SHA-256 of the bytes of `pem`, lower-case pairs joined by colons. */
  readonly sha256: string;
}

/** Where trust reports what it did. */
export interface TrustLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** The certificate served now, kept alive by {@linkcode TrustState.tick}. */
export interface TrustState extends AsyncDisposable {
  /** Made here, supplied by the operator, or no TLS. */
  readonly mode: "self-signed" | "supplied" | "off";
  /**
   * What to serve now.
   * @throws {TypeError} If the mode is `off`.
   */
  current(): ServedCertificate;
  /** The CA to pin; absent unless self-signed. Another one after a CA was followed, so ask each time. */
  readonly ca?: OfferedCa;
  /** Calls `listener` after {@linkcode TrustState.current} has changed. */
  onChange(listener: () => void): void;
  /** Renews or reloads if that is due; call it every few seconds. Never rejects: what went wrong is logged. */
  tick(): Promise<void>;
}
