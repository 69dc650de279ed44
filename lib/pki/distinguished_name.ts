/**
 * Distinguished names: read, shown, and compared as RFC 5280 §7.1 says.
 *
 * @module
 */
import { DerReader, type DerValue, hexOf, oidOf, sameBytes, stringOf, Tag } from "./der.ts";
import { PkiError } from "./errors.ts";
import { oidName } from "./oid.ts";

/** One attribute of a name, as in `CN=db.internal`. */
export interface NameAttribute {
  /** Its type as an object identifier, as in `2.5.4.3`. */
  readonly type: string;
  /** The short name of its type, as in `CN`; the identifier where there is none. */
  readonly label: string;
  /** Its characters; for a value that is no string, `#` and its DER in hex (RFC 4514 §2.4). */
  readonly value: string;
  /** The identifier octet of the value: which kind of string it is. */
  readonly tag: number;
}

const STRINGS: ReadonlySet<number> = new Set([
  Tag.UTF8_STRING,
  Tag.NUMERIC_STRING,
  Tag.PRINTABLE_STRING,
  Tag.TELETEX_STRING,
  Tag.IA5_STRING,
  Tag.VISIBLE_STRING,
  Tag.UNIVERSAL_STRING,
  Tag.BMP_STRING,
]);

/** The name of a subject or an issuer. */
export class Name {
  /** Its DER, a `Name` (RFC 5280 §4.1.2.4). */
  readonly der: Uint8Array;
  /** Its parts, from the most general (a country) to the most special (a common name). */
  readonly parts: readonly (readonly NameAttribute[])[];
  #keys: readonly string[] | undefined;
  #key: string | undefined;
  #text: string | undefined;

  /** @internal Use {@linkcode nameOf}. */
  constructor(der: Uint8Array, parts: readonly (readonly NameAttribute[])[]) {
    this.der = der;
    this.parts = parts;
  }

  /** Whether it says nothing at all. */
  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  /** The last common name in it. */
  get commonName(): string | undefined {
    return this.values("2.5.4.3").at(-1);
  }

  /** One spelling of each part that equal parts share (RFC 5280 §7.1). */
  get partKeys(): readonly string[] {
    return this.#keys ??= this.parts.map(partKey);
  }

  /** One spelling that equal names share (RFC 5280 §7.1). */
  get key(): string {
    return this.#key ??= this.partKeys.map((key) => `${key.length}:${key}`).join("");
  }

  /**
   * Finds the values of a type of attribute.
   * @param type Its object identifier.
   * @returns The values, in order.
   */
  values(type: string): string[] {
    return this.parts.flat().filter((attribute) => attribute.type === type).map((attribute) => attribute.value);
  }

  /**
   * Compares names as RFC 5280 §7.1 says: without regard to case, kind of string and runs of spaces.
   * @param other The other name.
   * @returns Whether they name the same.
   */
  equals(other: Name): boolean {
    return sameBytes(this.der, other.der) || this.key === other.key;
  }

  /**
   * Tells whether this name lies in the subtree under another (RFC 5280 §4.2.1.10).
   * @param base The top of the subtree.
   * @returns Whether it does; a name lies under itself.
   */
  isWithin(base: Name): boolean {
    const own = this.partKeys;
    return base.partKeys.length <= own.length && base.partKeys.every((key, i) => key === own[i]);
  }

  /**
   * Spells the name as RFC 4514 does, the most special part first.
   * @returns For example `CN=db.internal,O=Helyos`.
   */
  toString(): string {
    return this.#text ??= this.parts.toReversed()
      .map((part) => part.map((a) => `${a.label}=${escaped(a.value)}`).join("+")).join(",");
  }
}

/**
 * Reads a `Name`.
 * @param value The value, a SEQUENCE.
 * @param what What it is, for the message of an error.
 * @returns The name.
 * @throws {PkiError} `invalid_der` if it is none.
 */
export function nameOf(value: DerValue, what: string): Name {
  if (value.tag !== Tag.SEQUENCE) throw new PkiError("invalid_der", `Cannot read DER: ${what} is not a name`);
  const reader = DerReader.inside(value);
  const parts: NameAttribute[][] = [];
  while (!reader.done) parts.push(partOf(reader.read(Tag.SET, what).content, what));
  return new Name(value.encoding, parts);
}

/**
 * Reads a `RelativeDistinguishedName`: the attributes inside its SET.
 * @param content What the SET holds.
 * @param what What it is, for the message of an error.
 * @returns The attributes, at least one.
 * @throws {PkiError} `invalid_der` if it is none.
 */
export function partOf(content: Uint8Array, what: string): NameAttribute[] {
  const set = new DerReader(content);
  const attributes: NameAttribute[] = [];
  do {
    const pair = set.enter(Tag.SEQUENCE, what);
    const type = oidOf(pair.read(Tag.OID, what), what);
    const value = pair.next(what);
    pair.end(what);
    const text = STRINGS.has(value.tag) ? stringOf(value, what) : `#${hexOf(value.encoding)}`;
    attributes.push({ type, label: oidName(type), value: text, tag: value.tag });
  } while (!set.done);
  return attributes;
}

/**
 * Puts one more part under a name, as `nameRelativeToCRLIssuer` asks for (RFC 5280 §4.2.1.13).
 * @param name The name.
 * @param part The attributes of the part.
 * @returns The longer name.
 */
export function extendName(name: Name, part: readonly NameAttribute[]): Name {
  // The bytes stand for no name of its own; comparing goes by the parts.
  return new Name(new Uint8Array(), [...name.parts, part]);
}

function partKey(part: readonly NameAttribute[]): string {
  if (part.length === 1) return attributeKey(part[0]!);
  // §7.1: the attributes of a part come in any order.
  return part.map(attributeKey).sort().map((key) => `${key.length}:${key}`).join("");
}

function attributeKey(attribute: NameAttribute): string {
  // A string that begins with "#" must not pass for the DER of something else.
  const kind = STRINGS.has(attribute.tag) ? "=" : "#";
  return attribute.type + kind + (kind === "=" ? prepared(attribute.value) : attribute.value);
}

/** RFC 4518 §2: what is left of a string when only what counts in a comparison stays. */
function prepared(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text)) {
    text = text
      // §2.2 Map: what prints nothing goes, what separates becomes a space.
      .replace(/[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff\ufffc]/g, "")
      .replace(/[\t\n\v\f\r\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/g, " ")
      .replace(/\p{Cc}|\p{Cf}/gu, "");
    // §2.3 Normalize sorts marks, in the square of their number: no text has more than 30 in a row (UAX #15 §13), and
    // what does is compared as it stands.
    if (!/\p{M}{31}/u.test(text)) text = folded(text.normalize("NFKC")).normalize("NFKC");
  } else {
    text = text.toLowerCase();
  }
  // §2.6.1: spaces at the ends and runs of spaces do not count.
  return text.replace(/ {2,}/g, " ").replace(/^ | $/g, "");
}

/** Folds case by way of capitals, which also joins ß with ss; but ı is no i (RFC 3454 §B.2). */
function folded(text: string): string {
  return text.replace(/[^ı]+/g, (run) => run.toUpperCase().toLowerCase());
}

function escaped(value: string): string {
  return value
    .replace(/[\\"+,;<>]/g, "\\$&")
    .replace(/^[ #]|(?<!^) $/g, "\\$&")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f]/g, (c) => `\\${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
