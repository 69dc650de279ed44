/**
 * A writer of DER (ITU-T X.690 §10, §11). Every function returns a whole value: identifier, length, content.
 *
 * @module
 */
import { Tag } from "./der.ts";

/**
 * Writes a value.
 * @param tag The identifier octet.
 * @param parts What it holds, in order.
 * @returns Its DER.
 */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return join(tag, parts);
}

function join(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const header = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6;
  const bytes = new Uint8Array(header + length);
  bytes[0] = tag;
  // X.690 §10.1: the definite form, in the fewest octets.
  if (header === 2) {
    bytes[1] = length;
  } else {
    bytes[1] = 0x80 | (header - 2);
    for (let i = header - 1, rest = length; i >= 2; i--, rest = Math.floor(rest / 256)) bytes[i] = rest & 0xff;
  }
  let at = header;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Writes a SEQUENCE.
 * @param parts What it holds, in order.
 * @returns Its DER.
 */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(Tag.SEQUENCE, ...parts);
}

/**
 * Writes a SEQUENCE OF of any length.
 * @param members What it holds, in order.
 * @returns Its DER.
 */
export function sequenceOf(members: readonly Uint8Array[]): Uint8Array {
  return join(Tag.SEQUENCE, members);
}

/**
 * Writes a SET OF, its members in the order of their octets (X.690 §11.6).
 * @param members What it holds, in any order.
 * @returns Its DER.
 */
export function setOf(...members: readonly Uint8Array[]): Uint8Array {
  return tlv(Tag.SET, ...members.toSorted(compareOctets));
}

function compareOctets(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/**
 * Writes an INTEGER.
 * @param value The number, of any size and sign.
 * @returns Its DER.
 * @throws {RangeError} If `value` is a fraction.
 */
export function integer(value: number | bigint): Uint8Array {
  let rest = BigInt(value);
  const octets: number[] = [];
  do {
    octets.unshift(Number(rest & 0xffn));
    rest >>= 8n;
  } while (rest !== 0n && rest !== -1n);
  const negative = rest === -1n;
  if ((octets[0]! >= 0x80) !== negative) octets.unshift(negative ? 0xff : 0);
  return tlv(Tag.INTEGER, Uint8Array.from(octets));
}

/**
 * Writes an INTEGER that is not negative from its octets, in the fewest octets (X.690 §8.3.2).
 * @param octets The number, most significant octet first; zeros before it do not count.
 * @returns Its DER.
 */
export function unsigned(octets: Uint8Array): Uint8Array {
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const digits = octets.subarray(start);
  if (digits.length === 0) return tlv(Tag.INTEGER, ZERO);
  return digits[0]! >= 0x80 ? tlv(Tag.INTEGER, ZERO, digits) : tlv(Tag.INTEGER, digits);
}

const ZERO = new Uint8Array(1);
const oids = new Map<string, Uint8Array>();

/**
 * Writes an OBJECT IDENTIFIER (X.690 §8.19). The answer is shared: do not write to it.
 * @param text In dotted decimal, as in `2.5.29.17`.
 * @returns Its DER.
 * @throws {SyntaxError} If `text` is not an object identifier.
 */
export function objectIdentifier(text: string): Uint8Array {
  const known = oids.get(text);
  if (known !== undefined) return known;
  if (!/^[0-2](\.(0|[1-9]\d*))+$/.test(text)) throw new SyntaxError(`Cannot write ${JSON.stringify(text)} as an OID`);
  const [first, second, ...rest] = text.split(".").map(BigInt) as [bigint, bigint, ...bigint[]];
  if (first < 2n && second > 39n) throw new SyntaxError(`Cannot write ${JSON.stringify(text)} as an OID`);
  const octets: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const digits = [Number(arc & 0x7fn)];
    for (let left = arc >> 7n; left > 0n; left >>= 7n) digits.unshift(Number(left & 0x7fn) | 0x80);
    octets.push(...digits);
  }
  const bytes = tlv(Tag.OID, Uint8Array.from(octets));
  // The identifiers in use are a few dozen; a caller's own must not fill the memory.
  if (oids.size < 256) oids.set(text, bytes);
  return bytes;
}

const utf8 = new TextEncoder();

/**
 * Writes a UTF8String.
 * @param text The characters.
 * @returns Its DER.
 */
export function utf8String(text: string): Uint8Array {
  return tlv(Tag.UTF8_STRING, utf8.encode(text));
}

/**
 * The octets of a text that must be ASCII, as an IA5String holds them.
 * @param text The characters.
 * @returns Their octets.
 * @throws {RangeError} If a character is not ASCII.
 */
export function ascii(text: string): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) throw new RangeError(`Cannot write ${JSON.stringify(text)} as ASCII`);
    octets[i] = code;
  }
  return octets;
}

/**
 * Writes a BIT STRING of whole octets.
 * @param bytes The octets.
 * @returns Its DER.
 */
export function bitString(bytes: Uint8Array): Uint8Array {
  return tlv(Tag.BIT_STRING, ZERO, bytes);
}

/**
 * Writes a BIT STRING whose bits have names: zeros at its end are left out (X.690 §11.2.2).
 * @param bits The numbers of the bits that are set.
 * @param tag Its identifier octet, when it is tagged.
 * @returns Its DER.
 */
export function namedBits(bits: readonly number[], tag: number = Tag.BIT_STRING): Uint8Array {
  if (bits.length === 0) return tlv(tag, ZERO);
  const last = Math.max(...bits);
  const content = new Uint8Array(2 + (last >> 3));
  content[0] = 7 - (last & 7);
  for (const bit of bits) content[1 + (bit >> 3)]! |= 0x80 >> (bit & 7);
  return tlv(tag, content);
}

/**
 * Writes an OCTET STRING.
 * @param bytes What it holds.
 * @returns Its DER.
 */
export function octetString(bytes: Uint8Array): Uint8Array {
  return tlv(Tag.OCTET_STRING, bytes);
}

/**
 * Writes a BOOLEAN (X.690 §11.1).
 * @param value What it says.
 * @param tag Its identifier octet, when it is tagged.
 * @returns Its DER.
 */
export function boolean(value: boolean, tag: number = Tag.BOOLEAN): Uint8Array {
  return tlv(tag, value ? TRUE : ZERO);
}

const TRUE = new Uint8Array([0xff]);

/** NULL. */
export const NULL: Uint8Array = tlv(Tag.NULL);

/**
 * Writes an ENUMERATED that is not negative and below 128.
 * @param value Its number.
 * @returns Its DER.
 */
export function enumerated(value: number): Uint8Array {
  return tlv(Tag.ENUMERATED, Uint8Array.of(value));
}

/**
 * Writes a value with a context-specific tag that holds others.
 * @param number The tag number, up to 30.
 * @param parts What it holds, in order.
 * @returns Its DER.
 */
export function constructed(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(0xa0 | number, ...parts);
}

/**
 * Writes a value with a context-specific tag that holds octets.
 * @param number The tag number, up to 30.
 * @param content The octets.
 * @returns Its DER.
 */
export function primitive(number: number, content: Uint8Array): Uint8Array {
  return tlv(0x80 | number, content);
}

/**
 * Writes an instant as RFC 5280 §4.1.2.5 asks: UTCTime to 2049, GeneralizedTime from 2050, to the second.
 * @param date The instant; what is less than a second is dropped.
 * @returns Its DER.
 * @throws {RangeError} If the year is not within 1950 to 9999, or `date` is invalid.
 */
export function time(date: Date): Uint8Array {
  const year = date.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999)) throw new RangeError(`Cannot write the time ${date.valueOf()} in a certificate`);
  const digits = date.toISOString().replace(/[-:T]|\..*/g, "");
  return year < 2050 ? tlv(Tag.UTC_TIME, ascii(`${digits.slice(2)}Z`)) : tlv(Tag.GENERALIZED_TIME, ascii(`${digits}Z`));
}

/**
 * Writes an instant as GeneralizedTime, whatever its year (RFC 5280 §5.3.2).
 * @param date The instant; what is less than a second is dropped.
 * @returns Its DER.
 * @throws {RangeError} If the year is not within 1 to 9999, or `date` is invalid.
 */
export function generalizedTime(date: Date): Uint8Array {
  const year = date.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) throw new RangeError(`Cannot write the time ${date.valueOf()} in a CRL`);
  return tlv(Tag.GENERALIZED_TIME, ascii(`${date.toISOString().replace(/[-:T]|\..*/g, "")}Z`));
}

/**
 * Writes an `Extension` (RFC 5280 §4.1); `critical` is left out when false (X.690 §11.5).
 * @param id Its object identifier.
 * @param value The DER of what it says.
 * @param critical Whether who does not know it must refuse.
 * @returns Its DER.
 */
export function extension(id: string, value: Uint8Array, critical = false): Uint8Array {
  return critical
    ? sequence(objectIdentifier(id), boolean(true), octetString(value))
    : sequence(objectIdentifier(id), octetString(value));
}
