/**
 * What the certificates we make look like, as data.
 *
 * @module
 */
import type { KeyUsage } from "./extension.ts";
import { PurposeId } from "./oid.ts";

/** The kinds of certificates that an issuer signs. */
export type ProfileName = "server" | "client" | "peer" | "intermediate";

/** What a kind of certificate may be used for, and how long it lives. */
export interface Profile {
  /** Whether it is a CA's: basicConstraints, critical (RFC 5280 §4.2.1.9; in a leaf too, so that nobody need guess). */
  readonly ca: boolean;
  /** keyUsage, critical (RFC 5280 §4.2.1.3). */
  readonly keyUsage: readonly KeyUsage[];
  /** What an RSA key may do besides: TLS 1.2 can encrypt to it (RFC 5280 §4.2.1.3); RFC 8813 §3 forbids it for EC. */
  readonly rsaKeyUsage: readonly KeyUsage[];
  /** extKeyUsage, not critical (RFC 5280 §4.2.1.12); absent in a CA, whose purposes are those of what it signs. */
  readonly purposes: readonly string[];
  /** Whether its common name must be a host name or address. */
  readonly hostCommonName: boolean;
  /** Whether it must hold a name that a client can ask for: common names are not looked at (RFC 9525 §2). */
  readonly namesRequired: boolean;
  /** Whether its host names may begin with `*` (RFC 9525 §6.3); as who a client is, that says nothing. */
  readonly wildcard: boolean;
  /** How long it lives when nothing is said, in seconds. */
  readonly lifetimeSeconds: number;
}

const DAY_SECONDS = 86_400;

const CA: Profile = {
  ca: true,
  keyUsage: ["keyCertSign", "cRLSign"],
  rsaKeyUsage: [],
  purposes: [],
  hostCommonName: false,
  namesRequired: false,
  wildcard: false,
  lifetimeSeconds: 1825 * DAY_SECONDS,
};

const LEAF = {
  ca: false,
  keyUsage: ["digitalSignature"],
  rsaKeyUsage: ["keyEncipherment"],
  lifetimeSeconds: 365 * DAY_SECONDS,
} as const;

/** The self-signed certificate that everything else hangs from. */
export const ROOT: Profile = { ...CA, lifetimeSeconds: 3650 * DAY_SECONDS };

/** The kinds by their names. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  server: {
    ...LEAF,
    purposes: [PurposeId.serverAuth],
    hostCommonName: true,
    namesRequired: true,
    wildcard: true,
  },
  client: {
    ...LEAF,
    // RFC 5280 §4.2.1.12: with clientAuth alone go digitalSignature and keyAgreement, nothing else.
    rsaKeyUsage: [],
    purposes: [PurposeId.clientAuth],
    hostCommonName: false,
    namesRequired: false,
    wildcard: false,
  },
  peer: {
    ...LEAF,
    purposes: [PurposeId.serverAuth, PurposeId.clientAuth],
    hostCommonName: true,
    namesRequired: true,
    wildcard: false,
  },
  intermediate: CA,
};
