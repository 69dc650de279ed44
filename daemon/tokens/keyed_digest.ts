/**
 * SHA-256 with a secret in front, for looking a token up in memory.
 *
 * Every authenticated request computes one. `node:crypto` makes an object for each that the garbage collector has to
 * clear away, which costs four times the computation itself; here the secret fills the first block, which is computed
 * once. The digest never leaves the process, so a plain prefix is as good as HMAC: nobody can extend what nobody sees.
 *
 * @module
 */

/** FIPS 180-4 §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUND_CONSTANTS = constants(64, Math.cbrt);

/** FIPS 180-4 §5.3.3: the same of the square roots of the first 8 primes. */
const INITIAL = constants(8, Math.sqrt);

const BLOCK_BYTES = 64;

/**
 * Makes the digest function of a key.
 *
 * @param key 64 random bytes: exactly one block.
 * @returns SHA-256 of the key and a text of characters below 256, as 16 UTF-16 units that hold 2 bytes each.
 */
export function keyedDigest(key: Uint8Array): (text: string) => string {
  if (key.length !== BLOCK_BYTES) throw new RangeError(`key must be ${BLOCK_BYTES} bytes, got ${key.length}`);
  const schedule = new Int32Array(64);
  const keyed = Int32Array.from(INITIAL);
  for (let at = 0; at < BLOCK_BYTES; at++) schedule[at >> 2]! |= key[at]! << (24 - 8 * (at & 3));
  compress(keyed, schedule);
  const state = new Int32Array(8);

  return (text) => {
    state.set(keyed);
    const bits = (BLOCK_BYTES + text.length) * 8;
    let at = 0;
    let ended = false; // whether the bit that follows the text is in a block already
    for (;;) {
      schedule.fill(0, 0, 16);
      let filled = 0;
      for (; filled < BLOCK_BYTES && at < text.length; filled++, at++) {
        schedule[filled >> 2]! |= (text.charCodeAt(at) & 0xff) << (24 - 8 * (filled & 3));
      }
      // FIPS 180-4 §5.1.1: a one, zeros, and the length in the last 8 bytes of the last block
      if (filled < BLOCK_BYTES && !ended) {
        schedule[filled >> 2]! |= 0x80 << (24 - 8 * (filled & 3));
        ended = true;
        filled++;
      }
      const last = ended && filled <= BLOCK_BYTES - 8;
      if (last) schedule[15] = bits;
      compress(state, schedule);
      if (last) return packed(state);
    }
  };
}

/** FIPS 180-4 §6.2.2, one block. */
function compress(state: Int32Array, schedule: Int32Array): void {
  for (let at = 16; at < 64; at++) {
    const x = schedule[at - 15]!;
    const y = schedule[at - 2]!;
    const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3);
    const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10);
    schedule[at] = (schedule[at - 16]! + s0 + schedule[at - 7]! + s1) | 0;
  }
  let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
  let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
  for (let at = 0; at < 64; at++) {
    const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[at]! + schedule[at]!) | 0;
    const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

function packed(s: Int32Array): string {
  const [a, b, c, d, e, f, g, h] = s as unknown as [number, number, number, number, number, number, number, number];
  return String.fromCharCode(
    a >>> 16,
    a & 0xffff,
    b >>> 16,
    b & 0xffff,
    c >>> 16,
    c & 0xffff,
    d >>> 16,
    d & 0xffff,
    e >>> 16,
    e & 0xffff,
    f >>> 16,
    f & 0xffff,
    g >>> 16,
    g & 0xffff,
    h >>> 16,
    h & 0xffff,
  );
}

function constants(count: number, root: (x: number) => number): Int32Array {
  const words: number[] = [];
  for (let candidate = 2; words.length < count; candidate++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) prime &&= candidate % divisor !== 0;
    if (prime) words.push(Math.trunc((root(candidate) % 1) * 2 ** 32) | 0);
  }
  return Int32Array.from(words);
}
