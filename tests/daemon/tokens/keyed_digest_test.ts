import { equal, notEqual, throws } from "node:assert/strict";
import { createHash } from "node:crypto";
import { keyedDigest } from "../../../daemon/tokens/keyed_digest.ts";

const key = Uint8Array.from({ length: 64 }, (_, index) => index * 7 % 256);

function hex(packed: string): string {
  return [...Array(packed.length).keys()].map((at) => packed.charCodeAt(at).toString(16).padStart(4, "0")).join("");
}

Deno.test("keyedDigest() refuses a key that is not one block", () => {
  throws(() => keyedDigest(new Uint8Array(63)), RangeError);
});

Deno.test("keyedDigest() is SHA-256 of key and text, whatever the length", () => {
  const digest = keyedDigest(key);
  for (let length = 0; length <= 300; length++) {
    const text = Array.from({ length }, (_, at) => String.fromCharCode((at * 31 + length) % 256)).join("");
    const expected = createHash("sha256").update(key).update(text, "latin1").digest("hex");
    equal(hex(digest(text)), expected, `length ${length}`);
  }
});

Deno.test("keyedDigest() of another key is another digest", () => {
  notEqual(keyedDigest(key)("token"), keyedDigest(Uint8Array.from(key, (byte) => byte ^ 1))("token"));
});
