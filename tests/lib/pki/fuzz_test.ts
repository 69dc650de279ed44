import { equal, ok } from "node:assert/strict";
import { parseCertificate } from "../../../lib/pki/certificate.ts";
import { parseCrl } from "../../../lib/pki/crl.ts";
import { constructed, extension, objectIdentifier, sequence } from "../../../lib/pki/encode.ts";
import { PkiError } from "../../../lib/pki/errors.ts";
import { inspect } from "../../../lib/pki/inspect.ts";
import { generateKeyPair } from "../../../lib/pki/key.ts";
import { lint } from "../../../lib/pki/lint.ts";
import { PurposeId } from "../../../lib/pki/oid.ts";
import { pemEncode } from "../../../lib/pki/pem.ts";
import { createRequest, parseRequest, verifyRequest } from "../../../lib/pki/request.ts";
import { verifyChain } from "../../../lib/pki/verify/verify_chain.ts";
import { verifyCrl } from "../../../lib/pki/verify/verify_crl.ts";
import { AT, ca, certificate, crl, generalName, testKey } from "../../support/pki_builder.ts";

const root = testKey();
const ROOT = ca({ subject: "Root", key: root });

/** A certificate with every extension this library reads. */
const RICH = certificate({
  subject: [["2.5.4.6", "DE"], ["2.5.4.10", "Größe"], ["2.5.4.3", "leaf"]],
  issuer: "Root",
  key: testKey("p256"),
  signer: root,
  ca: true,
  pathLength: 3,
  usage: ["digitalSignature", "keyCertSign"],
  purposes: [PurposeId.serverAuth],
  names: [
    "dns:*.db.internal",
    "ip:10.0.0.1",
    "ip:2001:db8::1",
    "email:a@b.c",
    "uri:spiffe://a/b",
    "dir:x",
    "other:1.2.3",
  ],
  permitted: ["dns:internal", "ip:10.0.0.0/8", "email:.b.c", "uri:a", "dir:y"],
  excluded: ["dns:secret.internal", "ip:2001:db8::/32"],
  policies: ["1.2.3", "2.5.29.32.0"],
  mappings: [["1.2.3", "1.2.4"]],
  requireExplicitPolicy: 5,
  inhibitPolicyMapping: 5,
  inhibitAnyPolicy: 5,
  crlUris: ["http://crl/"],
  extensions: [
    extension(
      "1.3.6.1.5.5.7.1.1",
      sequence(sequence(objectIdentifier("1.3.6.1.5.5.7.48.1"), generalName("uri:http://ocsp/"))),
    ),
  ],
});

const LIST = crl({
  issuer: "Root",
  signer: root,
  scope: [constructed(0, constructed(0, generalName("uri:http://crl/")))],
  revoked: [{ serial: 6, reason: 1 }, { serial: 1n << 100n, issuer: "Other" }, { serial: -1 }],
});

/** Every truncation of some bytes, and every byte of them changed in several ways. */
function* damaged(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at++) {
    yield bytes.subarray(0, at);
    for (const change of [0x01, 0x20, 0x80, 0xff]) {
      yield bytes.with(at, bytes[at]! ^ change);
    }
    yield bytes.with(at, 0);
  }
}

/** Runs something that may only return, or throw what this library throws. */
async function typed(run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
  }
}

async function fuzz(bytes: Uint8Array, run: (damaged: Uint8Array) => unknown): Promise<void> {
  const start = performance.now();
  let count = 0;
  for (const one of damaged(bytes)) {
    await typed(() => run(one));
    count++;
  }
  const each = (performance.now() - start) / count;
  ok(each < 20, `${each} ms for each`);
}

Deno.test("parseCertificate(), inspect() and lint() throw nothing untyped, whatever the damage", async () => {
  equal(inspect(RICH).names.length, 7);
  await fuzz(RICH, (damaged) => parseCertificate(damaged));
  await fuzz(RICH, (damaged) => inspect(damaged));
  await fuzz(RICH, (damaged) => lint(damaged));
});

Deno.test("parseCertificate() throws nothing untyped for damaged PEM", async () => {
  const pem = new TextEncoder().encode(pemEncode("CERTIFICATE", ROOT));
  await fuzz(pem, (damaged) => parseCertificate(new TextDecoder("latin1").decode(damaged)));
});

Deno.test("parseCrl() and verifyCrl() throw nothing untyped, and believe no damaged list", async () => {
  ok((await verifyCrl(LIST, ROOT, { at: AT })).ok);
  await fuzz(LIST, async (damaged) => {
    const result = await verifyCrl(damaged, ROOT, { at: AT });
    ok(!result.ok || damaged.every((byte, i) => byte === LIST[i]));
    parseCrl(damaged);
  });
});

Deno.test("parseRequest() and verifyRequest() throw nothing untyped, and believe no damaged request", async () => {
  const key = await generateKeyPair("ed25519");
  const { der } = await createRequest({ key, commonName: "db.internal", names: { dns: ["db.internal"] } });
  ok(await verifyRequest(parseRequest(der)));
  await fuzz(der, async (damaged) => {
    const good = await verifyRequest(parseRequest(damaged));
    ok(!good || damaged.every((byte, i) => byte === der[i]));
  });
});

Deno.test("verifyChain() throws nothing and accepts nothing damaged, wherever the damage is", async () => {
  const middle = testKey();
  const MIDDLE = ca({ subject: "Middle", issuer: "Root", key: middle, signer: root, permitted: ["dns:internal"] });
  const leaf = certificate({
    issuer: "Middle",
    subject: "leaf",
    key: testKey(),
    signer: middle,
    names: ["dns:db.internal"],
  });
  const crls = [crl({ issuer: "Root", signer: root }), crl({ issuer: "Middle", signer: middle })];
  const options = { at: AT, name: { dns: "db.internal" }, crls };
  ok((await verifyChain(leaf, [MIDDLE], [ROOT], options)).ok);
  const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
  for (const one of damaged(leaf)) {
    ok(same(one, leaf) || !(await verifyChain(one, [MIDDLE], [ROOT], options)).ok);
  }
  for (const one of damaged(MIDDLE)) {
    ok(same(one, MIDDLE) || !(await verifyChain(leaf, [one], [ROOT], options)).ok);
  }
  for (const one of damaged(crls[1]!)) {
    const list = await verifyChain(leaf, [MIDDLE], [ROOT], { ...options, crls: [crls[0]!, one] });
    ok(same(one, crls[1]!) || !list.ok);
  }
  // An anchor is trusted, not verified; but it must not throw either.
  for (const one of damaged(ROOT)) await verifyChain(leaf, [MIDDLE], [one], options);
});
