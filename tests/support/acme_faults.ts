/**
 * Stands between an ACME client and pebble: counts, refuses, stays silent, kills.
 */
import { Buffer } from "node:buffer";
import { createServer, request as send } from "node:https";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import type { Pebble } from "./pebble.ts";

/** One request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** How many came before it. */
  readonly index: number;
  /** What the account signed; empty for what is not signed, or has no payload. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** What is done with a request instead of, or after, passing it on. */
export interface Fault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON; a string is sent as it is. */
  readonly body?: unknown;
}

/** An answer of pebble on its way to the client. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** The go-between. */
export interface AcmeFaults extends AsyncDisposable {
  readonly directoryUrl: string;
  /** PEM of the CAs to trust: its own and pebble's. */
  readonly ca: string;
  readonly seen: SeenRequest[];
  /** Orders that ended in a signature. */
  readonly finalized: () => number;
  /** Called before a request is passed on; a fault is the answer instead, and with `hang` there is none. */
  before: (request: SeenRequest) => Fault | "hang" | undefined;
  /** What the client is sent instead of an answer of pebble. */
  alter: (request: SeenRequest, answer: Answer) => Answer;
  /** Called after pebble has answered, before the client hears of it. */
  after: (request: SeenRequest) => void;
}

/** Starts one in front of `pebble`. */
export async function startFaults(pebble: Pebble): Promise<AcmeFaults> {
  const caKey = await generateKeyPair();
  const ca = await createRootCa({ commonName: "faults", key: caKey });
  const key = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer: { certificate: ca.pem, key: caKey },
    profile: "server",
    publicKey: key.publicKey,
    commonName: "localhost",
    names: { dns: ["localhost"] },
  });
  const seen: SeenRequest[] = [];
  let finalized = 0;
  const target = new URL(pebble.directoryUrl);
  const server = createServer({ cert: leaf.pem, key: await exportPrivateKey(key) }, (incoming, response) => {
    pass(incoming, response).catch(() => response.destroy()); // The client went away
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const faults: AcmeFaults = {
    directoryUrl: `https://localhost:${(server.address() as AddressInfo).port}/dir`,
    ca: ca.pem + pebble.ca,
    seen,
    finalized: () => finalized,
    before: () => undefined,
    after: () => {},
    alter: (_, answer) => answer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const payload = payloadOf(Buffer.concat(chunks));
    const request = { method: incoming.method!, path: incoming.url!, index: seen.length, payload };
    seen.push(request);
    const fault = faults.before(request);
    if (fault === "hang") return;
    if (fault !== undefined) {
      response.writeHead(fault.status, { "content-type": "application/problem+json", ...fault.headers });
      return void response.end(typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body ?? {}));
    }
    try {
      const answer = await forward(incoming, chunks);
      if (request.path.startsWith("/finalize") && answer.status === 200) finalized++;
      faults.after(request);
      const { status, headers, body } = faults.alter(request, answer);
      response.writeHead(status, headers);
      response.end(body);
    } catch {
      response.destroy();
    }
  }

  function forward(incoming: IncomingMessage, chunks: Uint8Array[]) {
    return new Promise<Answer>((resolve, reject) => {
      // The Host header stays as it came: pebble makes its addresses from it
      const sent = send({
        host: "localhost",
        port: target.port,
        path: incoming.url,
        method: incoming.method,
        headers: incoming.headers,
        ca: [pebble.ca],
        agent: false,
      }, async (answer) => {
        const body: Uint8Array[] = [];
        for await (const chunk of answer) body.push(chunk);
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(body) });
      });
      sent.on("error", reject);
      sent.end(Buffer.concat(chunks));
    });
  }

  return faults;
}

/** What a signed request says (RFC 7515 §7.2.2). */
function payloadOf(body: Uint8Array): Record<string, unknown> {
  if (body.length === 0) return {};
  const { payload } = JSON.parse(new TextDecoder().decode(body));
  return payload === "" ? {} : JSON.parse(Buffer.from(payload, "base64url").toString());
}
