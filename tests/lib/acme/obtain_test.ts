/**
 * Against real pebble: account, order, challenge, certificate, renewal information, and the ways it goes wrong.
 */
import { equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { AcmeClient, certificateId, dnsHookSolver, httpSolver, obtainCertificate } from "@helyos/acme";
import { generateKeyPair, parseCertificate, parseCertificates, verifyChain } from "@helyos/pki";
import { freePort } from "../../support/free_port.ts";
import { startPebble, writeDnsHook } from "../../support/pebble.ts";
import { run, temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";
import { registered, serveChallenges, startBench } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");

Deno.test({
  name: "obtainCertificate() gets a certificate that verifies under pebble's root, with 5 % of nonces refused",
  ignore,
  async fn() {
    await using bench = await startBench();
    const { chainPem, orderUrl } = await bench.obtain({ names: ["api.example.com", "www.example.com"] });
    match(orderUrl, /^https:/);
    const [leaf, ...intermediates] = parseCertificates(chainPem);
    const result = await verifyChain(leaf!.der, intermediates.map((one) => one.der), [await bench.pebble.root()], {
      at: new Date(),
      name: { dns: "www.example.com" },
      purpose: "server",
    });
    equal(result.ok, true, JSON.stringify(result));
    equal(bench.solver.answer("/.well-known/acme-challenge/x"), undefined, "answers are taken away");
  },
});

Deno.test({
  name: "obtainCertificate() takes up an order after a crash at each step and gets one certificate",
  ignore,
  async fn() {
    await using bench = await startBench();
    // Crash right after the order was saved.
    let orderUrl = "";
    await rejects(() =>
      bench.obtain({
        onOrder(url) {
          orderUrl = url;
          throw new Error("killed");
        },
      }), /killed/);
    notEqual(orderUrl, "");
    const placed: string[] = [];
    const onOrder = (url: string) => Promise.resolve(void placed.push(url));
    const first = await bench.obtain({ orderUrl, onOrder });
    // Crash after it was signed, before it was saved: only fetched again.
    const again = await bench.obtain({ orderUrl, onOrder });
    equal(again.chainPem, first.chainPem);
    equal(placed.length, 0, "no other order was placed");
  },
});

Deno.test({
  name: "obtainCertificate() starts a new order when the saved one is gone, as after a restart of the CA",
  ignore,
  async fn() {
    await using bench = await startBench();
    const { client, pebble } = bench;
    const orderUrl = (await client.newOrder({ identifiers: [{ type: "dns", value: "lost.example.com" }] })).url;
    await pebble.restart();
    await client.register();
    const { chainPem } = await bench.obtain({ names: ["lost.example.com"], orderUrl });
    match(chainPem, /BEGIN CERTIFICATE/);
  },
});

Deno.test({
  name: "obtainCertificate() reports a wrong answer as challenge_failed, with the CA's words",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using client = await registered(pebble);
    const lying = { ...httpSolver(), answer: () => "something else" };
    await using _server = await serveChallenges(lying, pebble.httpPort);
    await rejects(
      obtainCertificate({ client, names: ["bad.example.com"], key: await generateKeyPair(), solvers: [lying] }),
      (error: { code: string; problem: { detail: string } }) => {
        equal(error.code, "challenge_failed");
        ok(error.problem.detail.length > 0);
        return true;
      },
    );
  },
});

Deno.test({
  name: "obtainCertificate() refuses a wildcard without a solver for dns-01 and gets it with one",
  ignore,
  async fn() {
    await using bench = await startBench();
    const names = ["*.example.com"];
    await rejects(bench.obtain({ names }), { code: "unsupported" });
    await using folder = await temporaryFolder();
    const program = await writeDnsHook(bench.pebble, folder.path);
    const { chainPem } = await bench.obtain({ names, solvers: [bench.solver, dnsHookSolver({ program })] });
    equal(parseCertificates(chainPem)[0]!.names[0]!.value, "*.example.com");
  },
});

Deno.test({
  name: "AcmeClient renews by the CA's wish: window, identifier and replaces",
  ignore,
  async fn() {
    await using bench = await startBench();
    const { client } = bench;
    const first = await bench.obtain({ profile: "shortlived" });
    const leaf = parseCertificate(parseCertificates(first.chainPem)[0]!.der);
    ok(leaf.notAfter.getTime() - leaf.notBefore.getTime() < 7 * 86_400_000, "the profile's life");
    const info = await client.renewalInfo(leaf.der);
    ok(info && info.start < info.end && info.end <= leaf.notAfter);
    ok(info.retryAt, "pebble says when to ask again");
    const replaces = certificateId(leaf.der);
    equal(certificateId(first.chainPem), replaces, "a chain is named by its first certificate");
    const second = await bench.obtain({ replaces });
    notEqual(second.chainPem, first.chainPem);
    // Replaced already: the order goes through without the link (RFC 9773 §5).
    const third = await bench.obtain({ replaces });
    notEqual(third.chainPem, second.chainPem);
    await client.revoke(leaf.der, 1);
    await rejects(client.revoke(leaf.der, 1), { name: "AcmeError" });
  },
});

Deno.test({
  name:
    "certificateId() names a certificate as RFC 9773 §4.1 does, with the zero in front of a serial number whose first bit is set",
  ignore: lacking("openssl"),
  async fn() {
    await using folder = await temporaryFolder();
    const { code, stdout } = await run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"],
      ...["-set_serial", "0x87654321", "-keyout", "key.pem", "-addext", "authorityKeyIdentifier=keyid:always"],
    ], { home: folder.path });
    equal(code, 0);
    const [key, serial] = certificateId(stdout).split(".");
    equal(serial, "AIdlQyE", "the RFC's example");
    equal(
      Uint8Array.fromBase64(key!, { alphabet: "base64url" }).toHex(),
      parseCertificate(stdout).authorityKeyIdentifier!.keyIdentifier,
    );
  },
});

Deno.test({
  name: "AcmeClient refuses a server it cannot trust or reach, and says which",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const accountKey = await generateKeyPair();
    await using untrusting = new AcmeClient({ directoryUrl: pebble.directoryUrl, accountKey });
    await rejects(untrusting.directory(), { code: "untrusted" });
    const nowhere = `https://localhost:${await freePort()}/dir`;
    await using lost = new AcmeClient({ directoryUrl: nowhere, accountKey, ca: pebble.ca });
    await rejects(lost.directory(), { code: "unreachable" });
    await using clear = new AcmeClient({ directoryUrl: "http://localhost/dir", accountKey });
    await rejects(clear.directory(), { code: "protocol" });
  },
});

Deno.test({
  name: "AcmeClient.register() finds the account a key already has",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const accountKey = await generateKeyPair();
    const options = { directoryUrl: pebble.directoryUrl, accountKey, ca: pebble.ca };
    await using one = new AcmeClient(options);
    await using two = new AcmeClient(options);
    equal(await one.register({ emails: ["ops@example.com"] }), await two.register());
  },
});
