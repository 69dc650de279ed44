import { deepEqual, equal, throws } from "node:assert/strict";
import { bitStringOf, DerReader, hexOf, integerOf, oidOf, timeOf } from "../../../lib/pki/der.ts";
import {
  ascii,
  generalizedTime,
  integer,
  namedBits,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  unsigned,
} from "../../../lib/pki/encode.ts";

const read = (der: Uint8Array) => {
  const reader = new DerReader(der);
  const value = reader.next();
  reader.end("value");
  return value;
};

Deno.test("objectIdentifier() refuses what is no identifier", () => {
  for (const text of ["", "1", "3.1", "1.40", "1.02", "1.-1", "1.2.", "a.b", "1.2 "]) {
    throws(() => objectIdentifier(text), SyntaxError, text);
  }
});

Deno.test("time() refuses years that X.509 cannot say", () => {
  for (const text of ["1949-12-31T23:59:59Z", "+010000-01-01T00:00:00Z", "junk"]) {
    throws(() => time(new Date(text)), RangeError);
  }
});

Deno.test("ascii() refuses what is not ASCII", () => {
  throws(() => ascii("bücher"), RangeError);
});

Deno.test("integer() writes the fewest octets, for either sign", () => {
  const spelled: Readonly<Record<string, bigint>> = {
    "020100": 0n,
    "02017f": 127n,
    "02020080": 128n,
    "020200ff": 255n,
    "02020100": 256n,
    "0201ff": -1n,
    "020180": -128n,
    "0202ff7f": -129n,
    "02028000": -32768n,
  };
  for (const [hex, value] of Object.entries(spelled)) equal(hexOf(integer(value)), hex);
  for (let bits = 0n; bits < 300n; bits++) {
    for (const value of [1n << bits, (1n << bits) - 1n, -(1n << bits), -(1n << bits) - 1n]) {
      equal(integerOf(read(integer(value)), "value"), value);
    }
  }
});

Deno.test("unsigned() drops zeros and keeps the sign positive", () => {
  equal(hexOf(unsigned(new Uint8Array([0, 0, 0x80]))), "02020080");
  equal(hexOf(unsigned(new Uint8Array([0, 1]))), "020101");
  equal(hexOf(unsigned(new Uint8Array([0, 0]))), "020100");
  equal(hexOf(unsigned(new Uint8Array(0))), "020100");
});

Deno.test("sequence() writes lengths in the fewest octets", () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536, 70000]) {
    deepEqual(read(octetString(new Uint8Array(length).fill(7))).content, new Uint8Array(length).fill(7));
  }
  equal(hexOf(sequence()), "3000");
});

Deno.test("objectIdentifier() writes what oidOf() reads", () => {
  for (
    const text of [
      "0.0",
      "1.39",
      "2.999",
      "2.5.29.17",
      "1.2.840.113549.1.1.11",
      "2.16.840.1.101.3.4.1.42",
      "1.3.99999999999999999999",
    ]
  ) {
    equal(oidOf(read(objectIdentifier(text)), "oid"), text);
  }
});

Deno.test("setOf() puts members in the order of their octets", () => {
  const sorted = [integer(1), integer(2), integer(300)];
  deepEqual(setOf(...sorted.toReversed()), setOf(...sorted));
});

Deno.test("namedBits() leaves zeros at the end out", () => {
  equal(hexOf(namedBits([5, 6])), "03020106");
  equal(hexOf(namedBits([0])), "03020780");
  equal(hexOf(namedBits([8])), "0303070080");
  equal(hexOf(namedBits([])), "030100");
  deepEqual([...bitStringOf(read(namedBits([0, 2])), "bits").bytes], [0xa0]);
});

Deno.test("time() changes its form in 2050 and drops what is less than a second", () => {
  equal(hexOf(time(new Date("2049-12-31T23:59:59.999Z"))), `170d${hexOf(ascii("491231235959Z"))}`);
  equal(hexOf(time(new Date("2050-01-01T00:00:00Z"))), `180f${hexOf(ascii("20500101000000Z"))}`);
  equal(timeOf(read(time(new Date("1950-01-01T00:00:00Z"))), "time").toISOString(), "1950-01-01T00:00:00.000Z");
  equal(
    timeOf(read(generalizedTime(new Date("2026-01-02T03:04:05Z"))), "time").toISOString(),
    "2026-01-02T03:04:05.000Z",
  );
});
