/**
 * Certificates as an attacker or a careless hand writes them: no rule is checked here.
 *
 * @module
 */
import { exportPrivateKey, generateKeyPair, type KeyPair, pemEncode } from "@helyos/pki";
import {
  constructed,
  extension,
  integer,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  setOf,
  time,
  utf8String,
} from "../../../lib/pki/encode.ts";
import type { KeyUsage } from "../../../lib/pki/extension.ts";
import { signed, signerOf } from "../../../lib/pki/sign.ts";
import { basicConstraints, keyUsage } from "../../../lib/pki/write_extension.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** What stands in a forged certificate. */
export interface Forgery {
  /** The common name. */
  readonly subject: string;
  /** Who signs; itself, when left out. */
  readonly issuer?: Forged;
  /** The key, to give one CA two certificates. */
  readonly key?: KeyPair;
  /** Whether basicConstraints say CA; left out, there are none. */
  readonly ca?: boolean;
  /** keyUsage; left out, there is none. */
  readonly usage?: readonly KeyUsage[];
  /** dNSNames, written as they are. */
  readonly dns?: readonly string[];
  /** IPv4 addresses. */
  readonly ip?: readonly string[];
  /** Days from now. */
  readonly from?: number;
  /** Days from now. */
  readonly until?: number;
}

/** A certificate and its key. */
export interface Forged {
  readonly subject: string;
  readonly key: KeyPair;
  readonly der: Uint8Array;
  readonly pem: string;
  /** The key in PEM. */
  readonly keyPem: string;
}

function nameOf(commonName: string): Uint8Array {
  return sequence(setOf(sequence(objectIdentifier("2.5.4.3"), utf8String(commonName))));
}

/** Days from now, in whole seconds. */
export function daysFromNow(days: number): Date {
  return new Date(Math.floor((Date.now() + days * DAY_MS) / 1000) * 1000);
}

/** Writes and signs a certificate. */
export async function forge(forgery: Forgery): Promise<Forged> {
  const { subject, issuer, ca, usage, dns = [], ip = [], from = -10, until = 10 } = forgery;
  const key = forgery.key ?? await generateKeyPair();
  const signer = signerOf(issuer?.key ?? key);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey));
  const names = [
    ...dns.map((name) => primitive(2, new TextEncoder().encode(name))),
    ...ip.map((address) => primitive(7, new Uint8Array(address.split(".").map(Number)))),
  ];
  const extensions = [
    ...(ca === undefined ? [] : [basicConstraints(ca)]),
    ...(usage ? [keyUsage(usage)] : []),
    ...(names.length > 0 ? [extension("2.5.29.17", sequence(...names))] : []),
    // Something must be there: version 3 has extensions.
    extension("2.5.29.14", octetString(new Uint8Array(20).fill(spki.at(-1)!))),
  ];
  const tbs = sequence(
    constructed(0, integer(2)),
    integer(BigInt("0x" + crypto.getRandomValues(new Uint8Array(8)).toHex()) | 1n),
    signer.signatureIdentifier,
    nameOf(issuer?.subject ?? subject),
    sequence(time(daysFromNow(from)), time(daysFromNow(until))),
    nameOf(subject),
    spki,
    constructed(3, sequence(...extensions)),
  );
  const der = await signed(signer, tbs);
  return { subject, key, der, pem: pemEncode("CERTIFICATE", der), keyPem: await exportPrivateKey(key) };
}

/** A CA as it should be. */
export function forgeCa(subject: string, more: Partial<Forgery> = {}): Promise<Forged> {
  return forge({ subject, ca: true, usage: ["keyCertSign", "cRLSign"], ...more });
}

/** A server's certificate for `localhost` and 127.0.0.1, as it should be. */
export function forgeServer(issuer: Forged, more: Partial<Forgery> = {}): Promise<Forged> {
  return forge({ subject: "server", issuer, ca: false, dns: ["localhost"], ip: ["127.0.0.1"], ...more });
}
