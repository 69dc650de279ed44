/**
 * A strict reader of DER (ITU-T X.690 §8, §10, §11): every value has one spelling, and any other is refused.
 *
 * Nothing is copied: a value is a window on the bytes it was read from.
 *
 * @module
 */
import { PkiError } from "./errors.ts";

/** Identifier octets (X.690 §8.1.2) of the types that certificates are made of. */
export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  SEQUENCE: 0x30,
  SET: 0x31,
  NUMERIC_STRING: 0x12,
  PRINTABLE_STRING: 0x13,
  TELETEX_STRING: 0x14,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  VISIBLE_STRING: 0x1a,
  UNIVERSAL_STRING: 0x1c,
  BMP_STRING: 0x1e,
} as const;

/** One value: its identifier octet and where it stands. */
export interface DerValue {
  /** The identifier octet, class and "constructed" bit included. */
  readonly tag: number;
  /** The whole value, identifier and length included. */
  readonly encoding: Uint8Array;
  /** What the value holds. */
  readonly content: Uint8Array;
}

/** A value that is a window on bytes, which is cut out when it is looked at: most values never are. */
class Window implements DerValue {
  readonly tag: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly body: number;
  readonly end: number;

  constructor(tag: number, bytes: Uint8Array, start: number, body: number, end: number) {
    this.tag = tag;
    this.bytes = bytes;
    this.start = start;
    this.body = body;
    this.end = end;
  }

  get encoding(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  get content(): Uint8Array {
    return this.bytes.subarray(this.body, this.end);
  }
}

function refuse(what: string): never {
  throw new PkiError("invalid_der", `Cannot read DER: ${what}`);
}

/** Reads the values of a run of bytes one after the other. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  /**
   * @param bytes The encodings of any number of values.
   * @param start Where the first begins.
   * @param end Where the last ends.
   */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /**
   * Reads what a value holds.
   * @param value The value.
   * @returns A reader of the values inside.
   */
  static inside(value: DerValue): DerReader {
    return value instanceof Window ? new DerReader(value.bytes, value.body, value.end) : new DerReader(value.content);
  }

  /** Whether every byte has been read. */
  get done(): boolean {
    return this.#at === this.#end;
  }

  /**
   * Looks at the next identifier octet.
   * @returns The octet, or `-1` at the end.
   */
  peek(): number {
    return this.#at < this.#end ? this.#bytes[this.#at]! : -1;
  }

  /**
   * Reads the next value, whatever it is.
   * @param what What is being read, for the message of an error.
   * @returns The value.
   * @throws {PkiError} `invalid_der` if there is none, or it is not DER.
   */
  next(what = "value"): DerValue {
    const bytes = this.#bytes;
    const limit = this.#end;
    const start = this.#at;
    let at = start;
    if (at + 2 > limit) refuse(`${what} is missing or cut short`);
    const tag = bytes[at++]!;
    // Tag numbers above 30 (X.690 §8.1.2.4) occur in nothing that X.509 defines.
    if ((tag & 0x1f) === 0x1f) refuse(`${what} has a multi-byte tag`);
    if (tag === 0) refuse(`${what} has the reserved tag 0`);
    let length = bytes[at++]!;
    if (length >= 0x80) {
      // X.690 §10.1: the definite form, in the fewest octets.
      const octets = length & 0x7f;
      if (octets === 0) refuse(`${what} has an indefinite length`);
      if (octets > 4) refuse(`${what} has a length of ${octets} octets`);
      if (at + octets > limit) refuse(`${what} is cut short`);
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + bytes[at++]!;
      if (length < 0x80 || length < 256 ** (octets - 1)) refuse(`${what} has a length that is not minimal`);
    }
    const end = at + length;
    if (end > limit) refuse(`${what} is cut short`);
    this.#at = end;
    return new Window(tag, bytes, start, at, end);
  }

  /**
   * Reads the next value, which must have this tag.
   * @param tag The identifier octet.
   * @param what What is being read, for the message of an error.
   * @returns The value.
   * @throws {PkiError} `invalid_der` if it has another tag, or is not DER.
   */
  read(tag: number, what: string): DerValue {
    if (this.peek() !== tag && !this.done) refuse(`${what} has tag ${hexByte(this.peek())}, not ${hexByte(tag)}`);
    return this.next(what);
  }

  /**
   * Reads the next value if it has this tag.
   * @param tag The identifier octet.
   * @param what What is being read, for the message of an error.
   * @returns The value, or nothing if another comes next.
   * @throws {PkiError} `invalid_der` if the value is not DER.
   */
  optional(tag: number, what: string): DerValue | undefined {
    return this.peek() === tag ? this.next(what) : undefined;
  }

  /**
   * Reads a constructed value and goes inside.
   * @param tag The identifier octet.
   * @param what What is being read, for the message of an error.
   * @returns A reader of what it holds.
   * @throws {PkiError} `invalid_der` if it has another tag, or is not DER.
   */
  enter(tag: number, what: string): DerReader {
    return DerReader.inside(this.read(tag, what));
  }

  /**
   * Ends reading: nothing may be left.
   * @param what What was read, for the message of an error.
   * @throws {PkiError} `invalid_der` if bytes are left.
   */
  end(what: string): void {
    if (!this.done) refuse(`${what} is followed by ${this.#end - this.#at} more bytes`);
  }
}

function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

/**
 * Reads bytes that are exactly one value.
 *
 * @param bytes The encoding.
 * @param tag The identifier octet it must have.
 * @param what What is being read, for the message of an error.
 * @returns A reader of what the value holds.
 * @throws {PkiError} `invalid_der` if it is another value, not DER, or followed by more.
 */
export function readWhole(bytes: Uint8Array, tag: number, what: string): DerReader {
  const reader = new DerReader(bytes);
  const inside = reader.enter(tag, what);
  reader.end(what);
  return inside;
}

/**
 * Reads a BOOLEAN (X.690 §11.1).
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns What it says.
 * @throws {PkiError} `invalid_der` if it is neither 00 nor FF.
 */
export function booleanOf(value: DerValue, what: string): boolean {
  const byte = value.content[0];
  if (value.content.length !== 1 || (byte !== 0 && byte !== 0xff)) refuse(`${what} is not a DER BOOLEAN`);
  return byte === 0xff;
}

/**
 * Reads the octets of an INTEGER (X.690 §8.3), which must be as few as can be.
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns Its two's complement octets.
 * @throws {PkiError} `invalid_der` if it is empty or padded.
 */
export function integerOctets(value: DerValue, what: string): Uint8Array {
  const octets = value.content;
  const first = octets[0];
  const second = octets[1];
  if (first === undefined) refuse(`${what} is an empty INTEGER`);
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    refuse(`${what} is an INTEGER with padding`);
  }
  return octets;
}

/**
 * Reads an INTEGER of any size.
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns The number.
 * @throws {PkiError} `invalid_der` if it is empty or padded.
 */
export function integerOf(value: DerValue, what: string): bigint {
  const octets = integerOctets(value, what);
  const unsigned = BigInt(`0x${hexOf(octets)}`);
  return octets[0]! < 0x80 ? unsigned : unsigned - (1n << BigInt(octets.length * 8));
}

/**
 * Reads an INTEGER (0..MAX) that counts something; whatever is too large to matter becomes `Number.MAX_SAFE_INTEGER`.
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns The number.
 * @throws {PkiError} `invalid_der` if it is negative, empty or padded.
 */
export function countOf(value: DerValue, what: string): number {
  const octets = integerOctets(value, what);
  if (octets[0]! >= 0x80) refuse(`${what} is negative`);
  if (octets.length > 6) return Number.MAX_SAFE_INTEGER;
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

/** A BIT STRING: whole octets and how many bits of the last do not count. */
export interface BitString {
  /** The octets. */
  readonly bytes: Uint8Array;
  /** How many bits at the end of the last octet are filling. */
  readonly unusedBits: number;
}

/**
 * Reads a BIT STRING (X.690 §8.6, §11.2).
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns Its octets.
 * @throws {PkiError} `invalid_der` if the count of unused bits is wrong or those bits are not zero.
 */
export function bitStringOf(value: DerValue, what: string): BitString {
  const unusedBits = value.content[0];
  const bytes = value.content.subarray(1);
  if (unusedBits === undefined || unusedBits > 7 || (bytes.length === 0 && unusedBits > 0)) {
    refuse(`${what} is not a BIT STRING`);
  }
  if (bytes.length > 0 && (bytes[bytes.length - 1]! & ((1 << unusedBits) - 1)) !== 0) {
    refuse(`${what} is a BIT STRING with unused bits that are not zero`);
  }
  return { bytes, unusedBits };
}

/**
 * Reads an OBJECT IDENTIFIER (X.690 §8.19) in dotted decimal.
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns For example `2.5.29.17`.
 * @throws {PkiError} `invalid_der` if it is empty, cut short or padded.
 */
export function oidOf(value: DerValue, what: string): string {
  const octets = value.content;
  // The last octet ends its number; 128 octets are far beyond any identifier in use, and bound the work.
  if (octets.length === 0 || octets.length > 128 || octets[octets.length - 1]! >= 0x80) {
    refuse(`${what} is not an OBJECT IDENTIFIER`);
  }
  let text = "";
  let arc = 0;
  let large: bigint | undefined;
  let fresh = true;
  for (const octet of octets) {
    if (fresh && octet === 0x80) refuse(`${what} is an OBJECT IDENTIFIER with padding`);
    if (large === undefined && arc > 0x3fffffffffff) large = BigInt(arc);
    if (large === undefined) arc = arc * 128 + (octet & 0x7f);
    else large = large * 128n + BigInt(octet & 0x7f);
    fresh = octet < 0x80;
    if (!fresh) continue;
    if (text !== "") text += `.${large ?? arc}`;
    else if (large !== undefined) text = `2.${large - 80n}`;
    else text = arc < 40 ? `0.${arc}` : arc < 80 ? `1.${arc - 40}` : `2.${arc - 80}`;
    arc = 0;
    large = undefined;
  }
  return text;
}

/**
 * Reads a UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 allows it: to the second, in UTC, nothing else.
 * @param value The value.
 * @param what What it is, for the message of an error.
 * @returns The instant.
 * @throws {PkiError} `invalid_der` if it is of another type or form, or no such day exists.
 */
export function timeOf(value: DerValue, what: string): Date {
  const { tag, content } = value;
  const yearDigits = tag === Tag.UTC_TIME ? 2 : tag === Tag.GENERALIZED_TIME ? 4 : refuse(`${what} is not a time`);
  if (content.length !== yearDigits + 11 || content[yearDigits + 10] !== 0x5a) {
    refuse(`${what} is not a time to the second in UTC`);
  }
  const number = (at: number, digits: number): number => {
    let sum = 0;
    for (let i = at; i < at + digits; i++) {
      const digit = content[i]! - 0x30;
      if (digit < 0 || digit > 9) refuse(`${what} is not a time`);
      sum = sum * 10 + digit;
    }
    return sum;
  };
  let year = number(0, yearDigits);
  // RFC 5280 §4.1.2.5.1: two digits mean 1950 to 2049.
  if (yearDigits === 2) year += year >= 50 ? 1900 : 2000;
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) => number(yearDigits + at, 2)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    refuse(`${what} is not a time that exists`);
  }
  return date;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a character string of any of the types that names are made of (RFC 5280 §4.1.2.4, appendix A).
 * @param value The value; its tag says how it is spelled.
 * @param what What it is, for the message of an error.
 * @returns The characters.
 * @throws {PkiError} `invalid_der` if it is no string, or its octets are not characters of its type.
 */
export function stringOf(value: DerValue, what: string): string {
  switch (value.tag) {
    case Tag.UTF8_STRING: {
      const ascii = asciiOf(value.content);
      if (ascii !== undefined) return ascii;
      try {
        return utf8.decode(value.content);
      } catch (cause) {
        throw new PkiError("invalid_der", `Cannot read DER: ${what} is not UTF-8`, { cause });
      }
    }
    case Tag.NUMERIC_STRING:
    case Tag.PRINTABLE_STRING:
    case Tag.IA5_STRING:
    case Tag.VISIBLE_STRING:
      return asciiOf(value.content) ?? refuse(`${what} is not ASCII`);
    case Tag.TELETEX_STRING:
      // T.61 in name alone: everybody writes, and reads, Latin-1.
      return charactersOf(value.content, 1, what);
    case Tag.BMP_STRING:
      return charactersOf(value.content, 2, what);
    case Tag.UNIVERSAL_STRING:
      return charactersOf(value.content, 4, what);
    default:
      return refuse(`${what} is not a character string`);
  }
}

/**
 * Reads octets as ASCII.
 * @param octets The octets.
 * @returns The characters, or nothing if an octet is above 7F.
 */
export function asciiOf(octets: Uint8Array): string | undefined {
  if (octets.length > 64) return octets.every((octet) => octet < 0x80) ? utf8.decode(octets) : undefined;
  let text = "";
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!;
    if (octet >= 0x80) return undefined;
    text += String.fromCharCode(octet);
  }
  return text;
}

function charactersOf(octets: Uint8Array, width: 1 | 2 | 4, what: string): string {
  if (octets.length % width !== 0) refuse(`${what} is cut inside a character`);
  let text = "";
  for (let i = 0; i < octets.length; i += width) {
    let point = 0;
    for (let j = i; j < i + width; j++) point = point * 256 + octets[j]!;
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) refuse(`${what} holds what is no character`);
    text += String.fromCodePoint(point);
  }
  return text;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Spells octets in lower-case hex.
 * @param octets The octets.
 * @returns Two digits an octet.
 */
export function hexOf(octets: Uint8Array): string {
  if (octets.length > 64 && "toHex" in octets) return (octets as { toHex(): string }).toHex();
  let text = "";
  for (let i = 0; i < octets.length; i++) text += HEX[octets[i]!];
  return text;
}

/**
 * Compares octets. Not in constant time: for public bytes alone.
 * @param a Some octets.
 * @param b Others.
 * @returns Whether they are the same.
 */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
