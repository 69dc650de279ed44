import {
  fetchCa,
  type FetchCaOptions,
  fingerprintOfCertificate,
  fingerprintOfPem,
  PinnedClient,
} from "@helyos/pinning";
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { type HostileServer, httpAnswer, startHostileServer } from "../../support/hostile_server.ts";
import { daysFromNow, forge, forgeCa, type Forged, forgeServer } from "./forge.ts";

interface Offer {
  /** Whose certificate the server shows; then what else. */
  readonly show: readonly Forged[];
  /** What it answers. */
  readonly answer: string | (() => string);
}

function json(body: unknown, headers: Record<string, string> = {}): string {
  return httpAnswer("200 OK", JSON.stringify(body), { "content-type": "application/json", ...headers });
}

async function offer({ show, answer }: Offer): Promise<HostileServer> {
  return await startHostileServer({
    cert: show.map(({ pem }) => pem).join(""),
    key: show[0]!.keyPem,
    answer: typeof answer === "string" ? () => answer : answer,
  });
}

/** Expects that `fetchCa` refuses. */
async function refused(scene: Offer, code: string, options: FetchCaOptions = {}, host = "localhost") {
  await using server = await offer(scene);
  let caught: { code: string; message: string } | undefined;
  await rejects(
    () => fetchCa(`https://${host}:${server.port}`, options),
    (error: { code: string; message: string }) => {
      caught = error;
      equal(error.code, code, error.message);
      return true;
    },
  );
  ok(server.received().split("\r\n\r\n").filter(Boolean).length <= 1, "one request at most");
  return caught as unknown as { code: string; message: string; [key: string]: unknown };
}

Deno.test("fetchCa() fetches the CA of a server, sends no secret, and what it returns can be pinned", async () => {
  const ca = await forgeCa("CA");
  const fingerprint = await fingerprintOfPem(ca.pem);
  await using server = await offer({
    show: [await forgeServer(ca)],
    answer: json({ pem: ca.pem, sha256: fingerprint }),
  });
  const origin = `https://localhost:${server.port}`;
  deepEqual(await fetchCa(origin), { pem: ca.pem, fingerprint });
  const [line, ...headers] = server.received().trim().split("\r\n");
  equal(line, "GET /api/v1/ca HTTP/1.1");
  deepEqual(headers.map((header) => header.split(":")[0]!.toLowerCase()).sort(), ["accept", "connection", "host"]);
  await using client = new PinnedClient({ origin, trust: { ca: ca.pem } });
  equal((await client.fetch("/")).status, 200);
});

Deno.test("fetchCa() says in which spelling the expected fingerprint matched", async () => {
  const ca = await forgeCa("CA");
  await using server = await offer({ show: [await forgeServer(ca)], answer: json({ pem: ca.pem }) });
  const origin = `https://127.0.0.1:${server.port}`;
  equal((await fetchCa(origin, { expected: await fingerprintOfPem(ca.pem) })).form, "pem");
  equal((await fetchCa(origin, { expected: (await fingerprintOfCertificate(ca.pem)).toUpperCase() })).form, "der");
});

Deno.test("fetchCa() refuses a CA that is not the expected one, and tells both fingerprints", async () => {
  const [ca, other] = [await forgeCa("CA"), await forgeCa("CA")];
  const expected = await fingerprintOfPem(other.pem);
  const scene = { show: [await forgeServer(ca)], answer: json({ pem: ca.pem }) };
  const error = await refused(scene, "fingerprint_mismatch", { expected: `SHA256:${expected.toUpperCase()}` });
  equal(error.expected, expected);
  equal(error.got, await fingerprintOfPem(ca.pem));
  deepEqual(error.tried, ["pem", "der", "spki"]);
  match(error.message, new RegExp(`expected ${expected}, got ${error.got} \\(tried: pem, der, spki\\)$`));
  deepEqual((await refused(scene, "fingerprint_mismatch", { expected: `spki:${expected}` })).tried, ["spki"]);
});

Deno.test("fetchCa() refuses a CA other than the one behind the server's certificate", async () => {
  const [ca, other, twin] = [await forgeCa("CA"), await forgeCa("other"), await forgeCa("CA")];
  const server = await forgeServer(ca);
  for (const offered of [other, twin]) {
    // Even with the right fingerprint: pinning it would lock everybody out.
    const expected = await fingerprintOfPem(offered.pem);
    await refused({ show: [server], answer: json({ pem: offered.pem }) }, "unknown_ca");
    await refused({ show: [server], answer: json({ pem: offered.pem }) }, "unknown_ca", { expected });
    await refused({ show: [server, ca], answer: json({ pem: offered.pem }) }, "unknown_ca");
  }
});

Deno.test("fetchCa() refuses a CA whose server has another name, or the wrong dates", async () => {
  const ca = await forgeCa("CA");
  const answer = json({ pem: ca.pem });
  await refused({ show: [await forgeServer(ca, { dns: ["elsewhere"] })], answer }, "wrong_name");
  await refused({ show: [await forgeServer(ca, { ip: [] })], answer }, "wrong_name", {}, "127.0.0.1");
  await refused({ show: [await forgeServer(ca, { until: -1 })], answer }, "expired");
  const dead = await forgeCa("CA", { from: -20, until: -1 });
  await refused({ show: [await forgeServer(dead)], answer: json({ pem: dead.pem }) }, "expired");
});

Deno.test("fetchCa() tells by the server's clock whose is wrong", async () => {
  const ca = await forgeCa("CA");
  const show = [await forgeServer(ca, { from: 2 })];
  const at = (date: Date) => ({ show, answer: json({ pem: ca.pem }, { date: date.toUTCString() }) });
  equal((await refused(at(daysFromNow(3)), "not_yet_valid")).clock, "ours");
  equal((await refused(at(new Date()), "not_yet_valid")).clock, "theirs");
  equal((await refused(at(daysFromNow(-30)), "not_yet_valid")).clock, "unknown");
  const late = { show: [await forgeServer(ca, { until: -2 })] };
  const sane = { ...late, answer: json({ pem: ca.pem }, { date: daysFromNow(-3).toUTCString() }) };
  const error = await refused(sane, "expired");
  equal(error.clock, "ours");
  match(error.message, /which is wrong$/);
});

for (
  const [what, change] of Object.entries({
    "no certificate": () => "nonsense",
    "two certificates": (pem: string) => pem + pem,
    "text before the certificate": (pem: string) => `\u001b[2Jtrust me\n${pem}`,
    "text after the certificate": (pem: string) => `${pem}trust me\n`,
    "half a certificate": (pem: string) => pem.slice(0, 200),
  })
) {
  Deno.test(`fetchCa() refuses a CA that is ${what}`, async () => {
    const ca = await forgeCa("CA");
    await refused({ show: [await forgeServer(ca)], answer: json({ pem: change(ca.pem) }) }, "invalid_ca");
  });
}

Deno.test("fetchCa() refuses a CA that is a server's certificate, or that may not sign", async () => {
  const ca = await forgeCa("CA");
  const leaf = await forgeServer(ca);
  await refused({ show: [leaf], answer: json({ pem: leaf.pem }) }, "invalid_ca");
  const mute = await forge({ subject: "mute", ca: true, usage: ["cRLSign"] });
  await refused({ show: [await forgeServer(mute)], answer: json({ pem: mute.pem }) }, "invalid_ca");
});

Deno.test("fetchCa() refuses a CA with a fingerprint that is another's", async () => {
  const ca = await forgeCa("CA");
  const show = [await forgeServer(ca)];
  for (const sha256 of ["00".repeat(32), await fingerprintOfCertificate(ca.pem), 7, null]) {
    await refused({ show, answer: json({ pem: ca.pem, sha256 }) }, "invalid_ca");
  }
});

Deno.test("fetchCa() says when there is no CA to pin", async () => {
  const ca = await forgeCa("CA");
  const answer = httpAnswer("404 Not Found", '{"error":"no self-signed CA (TLS off or BYO cert)"}');
  const error = await refused({ show: [await forgeServer(ca)], answer }, "no_ca");
  match(error.message, /^localhost:\d+ offers no CA to pin$/);
});

for (
  const [what, code, answer] of [
    ["another status", "protocol", httpAnswer("500 Oops", "{}")],
    ["a redirect", "protocol", httpAnswer("302 Found", "", { location: "https://localhost:1/" })],
    ["no JSON", "protocol", httpAnswer("200 OK", "<html>")],
    ["JSON that is no object", "protocol", httpAnswer("200 OK", "null")],
    ["JSON without a CA", "protocol", httpAnswer("200 OK", '{"pem":7}')],
    ["bytes that are no UTF-8", "protocol", 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"pem":"\u00ff'],
    ["a huge body", "too_large", httpAnswer("200 OK", " ".repeat(70_000) + "{}")],
    ["a huge header", "too_large", httpAnswer("200 OK", "{}", { x: "y".repeat(20_000) })],
  ] as const
) {
  Deno.test(`fetchCa() refuses an answer with ${what}`, async () => {
    const ca = await forgeCa("CA");
    await refused({ show: [await forgeServer(ca)], answer }, code);
  });
}

Deno.test("fetchCa() stops reading a body that never ends", async () => {
  const ca = await forgeCa("CA");
  const endless =
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${"1000\r\n" + " ".repeat(4096) + "\r\n"}`.repeat(1) +
    ("1000\r\n" + " ".repeat(4096) + "\r\n").repeat(40);
  await refused({ show: [await forgeServer(ca)], answer: endless }, "too_large");
});

Deno.test("fetchCa() gives up when its time is up, and when it is told to", async () => {
  const ca = await forgeCa("CA");
  const slow = 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"pem"';
  const late = await refused({ show: [await forgeServer(ca)], answer: slow }, "timeout", { timeoutMs: 1_500 });
  match(late.message, /^localhost:\d+ did not offer its CA in time$/, "it was reached");
  await refused({ show: [await forgeServer(ca)], answer: slow }, "aborted", { signal: AbortSignal.abort() });
});

Deno.test("fetchCa() tells plain HTTP from TLS, and a port where nobody listens", async () => {
  await using plain = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("plain"));
  await rejects(() => fetchCa(`https://localhost:${plain.addr.port}`), { code: "not_tls" });
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  await rejects(() => fetchCa(`https://localhost:${port}`), { code: "refused" });
});

Deno.test("fetchCa() asks nobody but an https: origin, for nothing but a fingerprint", async () => {
  for (const server of ["http://localhost", "localhost", "https://localhost/path", "https://u:p@localhost", ""]) {
    await rejects(() => fetchCa(server), TypeError);
  }
  await rejects(() => fetchCa("https://localhost:1", { expected: "abc" }), SyntaxError);
});
