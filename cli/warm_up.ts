/**
 * A head start for the first TLS connection of the process.
 *
 * @module
 */

/**
 * Has the TLS library gather its first randomness on another thread while this one is busy loading modules.
 *
 * The library measures the processor's jitter for some 20 ms before it gives out a first random byte, and a handshake would
 * wait for that. A key made on a worker thread makes it do so in the meantime; the key itself is thrown away.
 */
export function warmUp(): void {
  crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]).catch(() => {});
}
