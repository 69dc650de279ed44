/**
 * The published test vectors, which lie beside the checkout on machines that have them.
 *
 * @module
 */

/** Where they lie. */
export const VECTORS = new URL("../../../shared/vectors/", import.meta.url);

/** Reads a file of vectors; nothing where they are not beside the checkout. */
// deno-lint-ignore no-explicit-any
export function readVectors(name: string): any {
  try {
    return JSON.parse(Deno.readTextFileSync(new URL(name, VECTORS)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Octets from hex. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Octets from base64. */
export function base64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
