/**
 * Looks at the certificate that is really served.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { connect } from "node:tls";
import type { Address } from "./backend.ts";
import { dialled } from "./challenges.ts";

const TIMEOUT_MS = 5_000;

/**
 * Connects with a server name (SNI) and reads the leaf. Nothing is verified, and nothing is sent: what matters is which certificate comes.
 *
 * @param at Where the proxy listens.
 * @param name For a wildcard, a name below it is asked for.
 * @returns SHA-256 over its DER, lower-case pairs joined by colons.
 */
export function servedFingerprint(at: Address, name: string): Promise<string> {
  const servername = name.startsWith("*.") ? `helyos-check${name.slice(1)}` : name;
  return new Promise((resolve, reject) => {
    const socket = connect({ ...dialled(at), servername, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    const end = (done: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      done();
    };
    const timer = setTimeout(() => end(() => reject(new Error("no handshake within 5 seconds"))), TIMEOUT_MS);
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      end(() =>
        raw === undefined
          ? reject(new Error("no certificate was sent"))
          : resolve(createHash("sha256").update(raw).digest("hex").replace(/..(?!$)/g, "$&:"))
      );
    });
    socket.once("error", (error) => end(() => reject(error)));
  });
}
