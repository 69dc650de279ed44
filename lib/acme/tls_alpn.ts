/**
 * TLS-ALPN-01 (RFC 8737): the proof is a certificate, shown to whoever asks for the protocol `acme-tls/1`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isIPv4 } from "node:net";
import { exportPrivateKey, generateKeyPair, type KeyPair, pemEncode } from "@helyos/pki";
import type { Solver } from "./solver.ts";

/** A certificate that proves a name, and its key. */
export interface TlsAlpnCertificate {
  /** PEM of the certificate. */
  readonly certPem: string;
  /** PEM of its key, which is good for nothing else. */
  readonly keyPem: string;
}

/** Answers TLS-ALPN-01 challenges from memory: whatever serves port 443 asks {@linkcode TlsAlpnSolver.answer}. */
export interface TlsAlpnSolver extends Solver {
  /**
   * What to show a client that asks for the protocol `acme-tls/1` and nothing else. To be shown to no one else, and the connection is to
   * be closed once it is made (RFC 8737 §3).
   *
   * @param serverName The name that the client asks for (SNI).
   * @returns Certificate and key; undefined when no challenge is open for that name.
   */
  answer(serverName: string): TlsAlpnCertificate | undefined;
}

/**
 * Solves TLS-ALPN-01 (RFC 8737), for DNS names and IP addresses (RFC 8738 §6). Not for wildcards.
 *
 * Who serves port 443 must take a certificate with the critical extension of RFC 8737: Node.js and OpenSSL do. Deno 2.9 does not
 * (`ERR_SSL_UNSUPPORTED_PROTOCOL`), as its TLS refuses critical extensions that it does not know.
 *
 * @example A server that does nothing else
 * ```ts
 * import { tlsAlpnSolver } from "@helyos/acme";
 * import { createSecureContext, createServer } from "node:tls";
 * import { equal } from "node:assert/strict";
 *
 * const solver = tlsAlpnSolver();
 * const server = createServer({
 *   ALPNProtocols: ["acme-tls/1"],
 *   SNICallback(name, done) {
 *     const answer = solver.answer(name);
 *     if (answer) done(null, createSecureContext({ cert: answer.certPem, key: answer.keyPem }));
 *     else done(new Error("no challenge is open for this name"));
 *   },
 * }, (socket) => socket.end());
 * equal(server.listening, false); // server.listen(443)
 * equal(solver.answer("example.com"), undefined);
 * ```
 * @returns A solver; connect its `answer` to port 443.
 */
export function tlsAlpnSolver(): TlsAlpnSolver {
  // By name, then by token: two orders for a name may be under way, and the CA asks for the one that came last.
  const open = new Map<string, Map<string, TlsAlpnCertificate>>();
  return {
    type: "tls-alpn-01",
    async present({ name, token, keyAuthorization }) {
      const certificate = await proof(name, keyAuthorization);
      const serverName = serverNameOf(name);
      open.set(serverName, (open.get(serverName) ?? new Map()).set(token, certificate));
    },
    cleanUp({ name, token }) {
      const serverName = serverNameOf(name);
      const tokens = open.get(serverName);
      tokens?.delete(token);
      if (tokens?.size === 0) open.delete(serverName);
      return Promise.resolve();
    },
    answer(serverName) {
      return [...open.get(serverName.toLowerCase())?.values() ?? []].at(-1);
    },
  };
}

/** What the CA asks for by SNI: an address as its name in the reverse zone (RFC 8738 §6). */
function serverNameOf(name: string): string {
  const octets = addressOf(name);
  if (octets === undefined) return name.toLowerCase();
  if (octets.length === 4) return `${[...octets].toReversed().join(".")}.in-addr.arpa`;
  return `${[...octets.toHex()].toReversed().join(".")}.ip6.arpa`;
}

/** The octets of an IP address; undefined for a DNS name. */
function addressOf(name: string): Uint8Array | undefined {
  if (isIPv4(name)) return Uint8Array.from(name.split("."), Number);
  if (!name.includes(":")) return undefined;
  // The URL parser writes a trailing IPv4 part in hexadecimal as well.
  const [head = "", tail] = new URL(`https://[${name}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":");
  const after = groups(tail ?? "");
  const zeros = Array<string>(8 - groups(head).length - after.length).fill("0");
  return Uint8Array.fromHex([...groups(head), ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""));
}

/** The self-signed certificate of RFC 8737 §3: the name, and a critical extension with the digest of the key authorization. */
async function proof(name: string, keyAuthorization: string): Promise<TlsAlpnCertificate> {
  const key = await generateKeyPair("ec-p256");
  const address = addressOf(name);
  const generalName = address ? tlv(0x87, address) : tlv(0x82, ascii(name.toLowerCase()));
  const digest = createHash("sha256").update(keyAuthorization).digest();
  const extensions = sequence(
    extension(SUBJECT_ALT_NAME, sequence(generalName)),
    extension(ACME_IDENTIFIER, tlv(0x04, digest), tlv(0x01, Uint8Array.of(0xff))),
  );
  const subject = sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, ascii("ACME challenge")))));
  const hour = 3_600_000;
  const life = sequence(time(Date.now() - 24 * hour), time(Date.now() + 7 * 24 * hour));
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey));
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = serial[0]! & 0x7f | 0x40;
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Uint8Array.of(2))),
    tlv(0x02, serial),
    ECDSA_WITH_SHA256,
    subject,
    life,
    subject,
    spki,
    tlv(0xa3, extensions),
  );
  const der = sequence(tbs, ECDSA_WITH_SHA256, tlv(0x03, Uint8Array.of(0), await signature(key, tbs)));
  return { certPem: pemEncode("CERTIFICATE", der), keyPem: await exportPrivateKey(key) };
}

/** Web Crypto gives r‖s; X.509 wants a SEQUENCE of two INTEGERs (RFC 3279 §2.2.3). */
async function signature(key: KeyPair, tbs: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, tbs));
  const integer = (octets: Uint8Array) => {
    const first = octets.findIndex((octet) => octet !== 0);
    const rest = octets.subarray(first < 0 ? octets.length - 1 : first);
    return tlv(0x02, ...(rest[0]! >= 0x80 ? [Uint8Array.of(0)] : []), rest);
  };
  return sequence(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
}

/** One DER value of at most 65,535 octets. */
function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const lengthOctets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  const head = 1 + lengthOctets.length;
  const der = new Uint8Array(head + length);
  der.set([tag, ...lengthOctets]);
  let offset = head;
  for (const part of parts) {
    der.set(part, offset);
    offset += part.length;
  }
  return der;
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return tlv(0x30, ...parts);
}

function extension(id: Uint8Array, value: Uint8Array, ...critical: readonly Uint8Array[]): Uint8Array {
  return sequence(id, ...critical, tlv(0x04, value));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** UTCTime, which is what RFC 5280 §4.1.2.5 wants before 2050; GeneralizedTime from then on. */
function time(milliseconds: number): Uint8Array {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, "");
  return text < "2050" ? tlv(0x17, ascii(text.slice(2))) : tlv(0x18, ascii(text));
}

const ECDSA_WITH_SHA256 = sequence(tlv(0x06, Uint8Array.fromHex("2a8648ce3d040302")));
const COMMON_NAME = tlv(0x06, Uint8Array.fromHex("550403"));
const SUBJECT_ALT_NAME = tlv(0x06, Uint8Array.fromHex("551d11"));
/** id-pe-acmeIdentifier, 1.3.6.1.5.5.7.1.31. */
const ACME_IDENTIFIER = tlv(0x06, Uint8Array.fromHex("2b0601050507011f"));
