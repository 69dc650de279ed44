/**
 * General names (RFC 5280 §4.2.1.6): what stands in a subject alternative name and wherever X.509 names things.
 *
 * @module
 */
import { asciiOf, DerReader, type DerValue, hexOf, oidOf, Tag } from "./der.ts";
import { type Name, nameOf } from "./distinguished_name.ts";
import { PkiError } from "./errors.ts";

/** What a general name names. */
export type GeneralNameKind = "other" | "email" | "dns" | "x400" | "directory" | "edi" | "uri" | "ip" | "registered";

/** One name of a subject, an issuer or a place. */
export interface GeneralName {
  /** What it names. */
  readonly kind: GeneralNameKind;
  /** Its characters; addresses as people write them, what has no characters in hex. Unescaped: it may hold anything. */
  readonly value: string;
  /** The octets inside its tag. */
  readonly bytes: Uint8Array;
  /** The name, for `directory`. */
  readonly directory?: Name;
  /** The object identifier of its kind, for `other`. */
  readonly type?: string;
}

const KINDS: Readonly<Record<number, GeneralNameKind>> = {
  0xa0: "other",
  0x81: "email",
  0x82: "dns",
  0xa3: "x400",
  0xa4: "directory",
  0xa5: "edi",
  0x86: "uri",
  0x87: "ip",
  0x88: "registered",
};

function refuse(what: string): never {
  throw new PkiError("invalid_der", `Cannot read DER: ${what}`);
}

/**
 * Reads one `GeneralName`.
 * @param value The value.
 * @param what Where it stands, for the message of an error.
 * @param options Whether it is the base of a subtree, where an address has a mask.
 * @returns The name.
 * @throws {PkiError} `invalid_der` if it is none.
 */
export function generalNameOf(value: DerValue, what: string, options?: { readonly subtree: boolean }): GeneralName {
  const kind = KINDS[value.tag] ?? refuse(`${what} holds a name of an unknown kind`);
  const bytes = value.content;
  switch (kind) {
    case "email":
    case "dns":
    case "uri":
      return { kind, bytes, value: asciiOf(bytes) ?? refuse(`${what} holds a name that is not ASCII`) };
    case "ip": {
      const widths = options?.subtree ? [8, 32] : [4, 16];
      if (!widths.includes(bytes.length)) refuse(`${what} holds an address of ${bytes.length} octets`);
      const half = bytes.length / 2;
      const text = options?.subtree
        ? `${addressText(bytes.subarray(0, half))}/${addressText(bytes.subarray(half))}`
        : addressText(bytes);
      return { kind, bytes, value: text };
    }
    case "directory": {
      const inside = new DerReader(bytes);
      const directory = nameOf(inside.read(Tag.SEQUENCE, what), what);
      inside.end(what);
      return { kind, bytes, directory, value: directory.toString() };
    }
    case "registered":
      return { kind, bytes, value: oidOf({ tag: Tag.OID, encoding: value.encoding, content: bytes }, what) };
    case "other": {
      const inside = new DerReader(bytes);
      const type = oidOf(inside.read(Tag.OID, what), what);
      const held = inside.read(0xa0, what).content;
      inside.end(what);
      return { kind, bytes, type, value: hexOf(held) };
    }
    default:
      return { kind, bytes, value: hexOf(bytes) };
  }
}

/**
 * Reads `GeneralNames`: the names inside a SEQUENCE, at least one.
 * @param content What the SEQUENCE holds.
 * @param what Where they stand, for the message of an error.
 * @returns The names.
 * @throws {PkiError} `invalid_der` if there is none, or one cannot be read.
 */
export function generalNamesOf(content: Uint8Array, what: string): GeneralName[] {
  const reader = new DerReader(content);
  const names: GeneralName[] = [];
  if (reader.done) refuse(`${what} holds no name`);
  while (!reader.done) names.push(generalNameOf(reader.next(what), what));
  return names;
}

/**
 * Spells an address as people do (RFC 5952 for IPv6).
 * @param octets Four or sixteen octets.
 * @returns For example `192.0.2.1` or `2001:db8::1`.
 */
export function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => octets[2 * i]! * 256 + octets[2 * i + 1]!);
  // §4.2: the longest run of zeros, the first of equals, of two at least.
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.length < 2) return hex.join(":");
  return `${hex.slice(0, best.at).join(":")}::${hex.slice(best.at + best.length).join(":")}`;
}

/**
 * Reads an address as people write it, strictly: no leading zeros, no port, no zone, no brackets.
 * @param text For example `192.0.2.1` or `2001:db8::1`.
 * @returns Four or sixteen octets, or nothing if it is no address.
 */
export function addressOctets(text: string): Uint8Array | undefined {
  if (!text.includes(":")) return v4Octets(text);
  // RFC 4291 §2.2: the last 32 bits may be written as an IPv4 address.
  const lastColon = text.lastIndexOf(":");
  const tail = text.slice(lastColon + 1);
  if (tail.includes(".")) {
    const v4 = v4Octets(tail);
    if (v4 === undefined) return undefined;
    const groups = [v4[0]! * 256 + v4[1]!, v4[2]! * 256 + v4[3]!];
    text = `${text.slice(0, lastColon + 1)}${groups.map((group) => group.toString(16)).join(":")}`;
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], rest = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill("0"), ...rest];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const octets = new Uint8Array(16);
  groups.forEach((group, i) => {
    const number = parseInt(group, 16);
    octets[2 * i] = number >> 8;
    octets[2 * i + 1] = number & 0xff;
  });
  return octets;
}

function v4Octets(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}
