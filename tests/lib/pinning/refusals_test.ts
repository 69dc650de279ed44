/** What must be refused before a byte of a request has left: each server here holds the key of what it shows. */
import { pemEncode } from "@helyos/pki";
import { PinnedClient, PinningError, type PinningErrorCode } from "@helyos/pinning";
import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { httpAnswer, startHostileServer } from "../../support/hostile_server.ts";
import { daysFromNow, forge, forgeCa, type Forged, forgeServer } from "./forge.ts";

const CANARY = "nxa-api_canary";

/** A chain the server shows, and the CA the client pins. */
interface Scene {
  readonly show: readonly Forged[];
  readonly pin: string;
}

/** Expects a refusal with this code, and that the server saw a handshake and nothing else. */
async function refused(scene: Scene, code: PinningErrorCode, host = "localhost"): Promise<PinningError> {
  const cert = scene.show.map(({ pem }) => pem).join("");
  await using server = await startHostileServer({ cert, key: scene.show[0]!.keyPem });
  await using client = new PinnedClient({ origin: `https://${host}:${server.port}`, trust: { ca: scene.pin } });
  const error = await client.fetch("/api/v1/whoami", { headers: { authorization: `Bearer ${CANARY}` } }).then(
    () => Promise.reject(new Error("the request was sent")),
    (error) => error,
  );
  ok(error instanceof PinningError, String(error));
  equal(error.code, code, error.message);
  equal(server.received(), "");
  equal(server.connections(), 1, "one handshake is enough to know why");
  ok(!JSON.stringify([error.message, error.stack, error]).includes(CANARY));
  return error;
}

async function accepted(scene: Scene, host = "localhost"): Promise<void> {
  const cert = scene.show.map(({ pem }) => pem).join("");
  await using server = await startHostileServer({ cert, key: scene.show[0]!.keyPem });
  await using client = new PinnedClient({ origin: `https://${host}:${server.port}`, trust: { ca: scene.pin } });
  const response = await client.fetch("/", { headers: { authorization: `Bearer ${CANARY}` } });
  equal(await response.text(), "{}");
  ok(server.received().includes(CANARY));
}

Deno.test("PinnedClient accepts what is in order: by name, by address, through an intermediate CA", async () => {
  const ca = await forgeCa("CA");
  const server = await forgeServer(ca);
  await accepted({ show: [server], pin: ca.pem });
  await accepted({ show: [server], pin: ca.pem }, "127.0.0.1");
  const middle = await forgeCa("middle", { issuer: ca });
  await accepted({ show: [await forgeServer(middle), middle], pin: ca.pem });
});

Deno.test("PinnedClient accepts a CA and certificates without keyUsage, as the original daemon makes them", async () => {
  const ca = await forge({ subject: "helyos CA", ca: true });
  await accepted({ show: [await forge({ subject: "helyos", issuer: ca, dns: ["localhost"] })], pin: ca.pem });
});

Deno.test("PinnedClient refuses another CA, even one of the same name", async () => {
  const [ca, other, twin] = [await forgeCa("CA"), await forgeCa("other"), await forgeCa("CA")];
  const error = await refused({ show: [await forgeServer(other)], pin: ca.pem }, "unknown_ca");
  match(error.message, /^Cannot trust localhost:\d+: its certificate does not come from the trusted CA/);
  await refused({ show: [await forgeServer(twin)], pin: ca.pem }, "unknown_ca");
  await refused({ show: [await forgeServer(other), other], pin: ca.pem }, "unknown_ca");
  await refused({ show: [await forgeServer(twin), twin, ca], pin: ca.pem }, "unknown_ca");
  await refused({ show: [await forge({ subject: "localhost", dns: ["localhost"] })], pin: ca.pem }, "unknown_ca");
});

Deno.test("PinnedClient refuses another name and tells which names there are", async () => {
  const ca = await forgeCa("CA");
  const server = await forgeServer(ca, { dns: ["a.example", "b.example"], ip: ["10.0.0.1"] });
  const error = await refused({ show: [server], pin: ca.pem }, "wrong_name");
  deepEqual(error.offered, ["a.example", "b.example", "10.0.0.1"]);
  match(error.message, /is not for localhost but for a\.example, b\.example, 10\.0\.0\.1$/);
  await refused({ show: [await forgeServer(ca, { ip: [] })], pin: ca.pem }, "wrong_name", "127.0.0.1");
  await refused(
    { show: [await forgeServer(ca, { dns: ["127.0.0.1"], ip: [] })], pin: ca.pem },
    "wrong_name",
    "127.0.0.1",
  );
});

Deno.test("PinnedClient does not read names from the common name", async () => {
  const ca = await forgeCa("CA");
  const server = await forgeServer(ca, { subject: "localhost", dns: [], ip: [] });
  const error = await refused({ show: [server], pin: ca.pem }, "wrong_name");
  deepEqual(error.offered, []);
  match(error.message, /names no host at all/);
});

Deno.test("PinnedClient does not take a comma inside a name for the end of it", async () => {
  const ca = await forgeCa("CA");
  for (
    const name of [
      "evil.example, DNS:localhost",
      "evil.example, IP Address:127.0.0.1",
      "x\0.localhost",
      "localhost\0.x",
    ]
  ) {
    const server = await forgeServer(ca, { dns: [name], ip: [] });
    await refused({ show: [server], pin: ca.pem }, "wrong_name");
    await refused({ show: [server], pin: ca.pem }, "wrong_name", "127.0.0.1");
  }
});

Deno.test("PinnedClient refuses a wildcard that is not a whole label", async () => {
  const ca = await forgeCa("CA");
  for (const name of ["local*", "*host", "l*t", "*"]) {
    await refused({ show: [await forgeServer(ca, { dns: [name], ip: [] })], pin: ca.pem }, "wrong_name");
  }
});

Deno.test("PinnedClient refuses an expired certificate and says since when", async () => {
  const ca = await forgeCa("CA");
  const error = await refused({ show: [await forgeServer(ca, { from: -9, until: -3 })], pin: ca.pem }, "expired");
  ok(error.since! > daysFromNow(-3.1) && error.since! < daysFromNow(-2.9));
  match(error.message, /its certificate expired at \d{4}-.*Z; this machine's clock says \d{4}-/);
});

Deno.test("PinnedClient refuses a certificate that is not valid yet and says from when", async () => {
  const ca = await forgeCa("CA");
  const error = await refused({ show: [await forgeServer(ca, { from: 2, until: 9 })], pin: ca.pem }, "not_yet_valid");
  ok(error.from! > daysFromNow(1.9) && error.from! < daysFromNow(2.1));
  equal(error.clock, "unknown");
  match(error.message, /not valid before .*; this machine's clock says .*; one of the two clocks is wrong$/);
});

Deno.test("PinnedClient knows that its own clock is wrong when the pinned CA does not exist yet", async () => {
  const ca = await forgeCa("CA", { from: 1, until: 20 });
  const error = await refused({ show: [await forgeServer(ca, { from: 2, until: 9 })], pin: ca.pem }, "not_yet_valid");
  equal(error.clock, "ours");
  match(error.message, /this machine's clock says .*, which is wrong$/);
});

Deno.test("PinnedClient refuses a pinned CA that has expired or is not valid yet", async () => {
  const dead = await forgeCa("CA", { from: -20, until: -1 });
  const error = await refused({ show: [await forgeServer(dead)], pin: dead.pem }, "expired");
  match(error.message, /the CA's certificate expired/);
  ok(error.since! < new Date());
  const unborn = await forgeCa("CA", { from: 1, until: 20 });
  await refused({ show: [await forgeServer(unborn)], pin: unborn.pem }, "not_yet_valid");
});

Deno.test("PinnedClient refuses an intermediate CA that has expired", async () => {
  const ca = await forgeCa("CA");
  const middle = await forgeCa("middle", { issuer: ca, from: -9, until: -1 });
  await refused({ show: [await forgeServer(middle), middle], pin: ca.pem }, "expired");
});

Deno.test("PinnedClient refuses a server's certificate that signs another", async () => {
  const ca = await forgeCa("CA");
  const leaf = await forgeServer(ca, { subject: "leaf" });
  await refused({ show: [await forgeServer(leaf), leaf], pin: ca.pem }, "invalid_certificate");
});

Deno.test("PinnedClient refuses an intermediate without CA:TRUE, or without keyCertSign", async () => {
  const ca = await forgeCa("CA");
  const plain = await forge({ subject: "middle", issuer: ca });
  await refused({ show: [await forgeServer(plain), plain], pin: ca.pem }, "invalid_certificate");
  const wrongUse = await forge({ subject: "middle", issuer: ca, ca: true, usage: ["digitalSignature", "cRLSign"] });
  await refused({ show: [await forgeServer(wrongUse), wrongUse], pin: ca.pem }, "invalid_certificate");
});

for (
  const [what, forgery] of Object.entries(
    {
      "a server's certificate": { ca: false },
      "a certificate without basicConstraints": {},
      "a CA that may not sign certificates": { ca: true, usage: ["digitalSignature"] },
    } as const,
  )
) {
  Deno.test(`PinnedClient refuses to pin ${what}`, async () => {
    // It is pinned, and it is just what the server shows.
    const shown = await forge({ subject: "localhost", dns: ["localhost"], ...forgery });
    await refused({ show: [shown], pin: shown.pem }, "invalid_ca");
  });
}

Deno.test("PinnedClient refuses at once to pin what is no PEM, or half of it", async () => {
  const { pem } = await forgeCa("CA");
  for (
    const ca of [
      "",
      "nonsense",
      pem.slice(0, pem.length / 2),
      pem.slice(28),
      pem.replace(/[A-Z]/, "!"),
      "\n".repeat(99),
    ]
  ) {
    throws(() => new PinnedClient({ origin: "https://localhost", trust: { ca } }), { code: "invalid_ca" });
  }
});

Deno.test("PinnedClient refuses to pin PEM that holds no certificate", async () => {
  const ca = await forgeCa("CA");
  const flipped = ca.der.slice();
  flipped[4]! ^= 1;
  for (const der of [new Uint8Array(3), flipped, ca.der.slice(0, -1)]) {
    await refused({ show: [await forgeServer(ca)], pin: pemEncode("CERTIFICATE", der) }, "invalid_ca");
  }
  await refused({ show: [await forgeServer(ca)], pin: ca.pem + ca.keyPem }, "invalid_ca");
});

Deno.test("PinnedClient says that plain HTTP answers where TLS was wanted", async () => {
  const ca = await forgeCa("CA");
  let requests = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    requests++;
    return new Response("plain");
  });
  await using client = new PinnedClient({ origin: `https://localhost:${server.addr.port}`, trust: { ca: ca.pem } });
  const headers = { authorization: `Bearer ${CANARY}` };
  await rejects(() => client.fetch("/", { headers }), { code: "not_tls", message: /it speaks plain HTTP, not TLS$/ });
  equal(requests, 0);
});

Deno.test("PinnedClient says that TLS answers where plain HTTP was wanted", async () => {
  const ca = await forgeCa("CA");
  const { pem, keyPem } = await forgeServer(ca);
  await using server = await startHostileServer({ cert: pem, key: keyPem });
  await using client = new PinnedClient({ origin: `http://localhost:${server.port}`, trust: "none" });
  await rejects(() => client.fetch("/"), { code: "tls_required" });
  equal(server.received(), "");
});

for (
  const location of [
    "https://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "//127.0.0.1:PORT/",
    "https://u:p@localhost:PORT/",
  ]
) {
  Deno.test(`PinnedClient does not follow a redirect to ${location}`, async () => {
    const ca = await forgeCa("CA");
    const { pem, keyPem } = await forgeServer(ca);
    await using elsewhere = await startHostileServer({ cert: pem, key: keyPem });
    await using server = await startHostileServer({
      cert: pem,
      key: keyPem,
      answer: () => httpAnswer("307 Moved", "", { location: location.replace("PORT", String(elsewhere.port)) }),
    });
    await using client = new PinnedClient({ origin: `https://localhost:${server.port}`, trust: { ca: ca.pem } });
    for (const method of ["GET", "POST"]) {
      const headers = { authorization: `Bearer ${CANARY}` };
      await rejects(() => client.fetch("/", { method, headers }), { code: "redirect_off_origin" });
    }
    equal(elsewhere.connections(), 0);
  });
}

Deno.test("PinnedClient sends nothing to another origin, however it is asked", async () => {
  await using client = new PinnedClient({ origin: "http://localhost:1", trust: "none" });
  for (
    const url of [
      "http://127.0.0.1:1/",
      "//elsewhere/",
      "https://localhost:1/",
      "http://u:p@localhost:1/",
      "\\\\x/",
      "data:,x",
    ]
  ) {
    await rejects(() => client.fetch(url), TypeError);
    await rejects(() => client.fetch(new Request(new URL(url, "http://localhost:1/"))), TypeError);
  }
});
