import { equal, ok } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createCipheriv, generateKeyPairSync, type KeyObject, pbkdf2Sync, scryptSync } from "node:crypto";
import { parseCertificate } from "../../../lib/pki/certificate.ts";
import { parseCrl } from "../../../lib/pki/crl.ts";
import {
  constructed,
  extension,
  integer,
  NULL,
  objectIdentifier,
  octetString,
  sequence,
} from "../../../lib/pki/encode.ts";
import { PkiError } from "../../../lib/pki/errors.ts";
import { inspect } from "../../../lib/pki/inspect.ts";
import { exportPrivateKey, generateKeyPair, importPrivateKey } from "../../../lib/pki/key.ts";
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

/** An EC key as files hold it: alone, in PKCS#8, and in PBES2 with cheap parameters. */
function keyFiles(): Record<string, Uint8Array | string> {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const edwards = generateKeyPairSync("ed25519").privateKey;
  const der = (key: KeyObject) => new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  const clear = der(pair);
  const sealed = (derivation: Uint8Array, key: Uint8Array) => {
    const iv = new Uint8Array(16).fill(7);
    const cipher = createCipheriv("aes-256-cbc", key, iv);
    const octets = Uint8Array.from([...cipher.update(clear), ...cipher.final()]);
    const aes = sequence(objectIdentifier("2.16.840.1.101.3.4.1.42"), octetString(iv));
    const scheme = sequence(objectIdentifier("1.2.840.113549.1.5.13"), sequence(derivation, aes));
    return sequence(scheme, octetString(octets));
  };
  const salt = new Uint8Array(8).fill(9);
  const hmac = sequence(objectIdentifier("1.2.840.113549.2.9"), NULL);
  const pbkdf2 = sequence(
    objectIdentifier("1.2.840.113549.1.5.12"),
    sequence(octetString(salt), integer(1), integer(32), hmac),
  );
  const scrypt = sequence(
    objectIdentifier("1.3.6.1.4.1.11591.4.11"),
    sequence(octetString(salt), integer(2), integer(1), integer(1)),
  );
  return {
    "PKCS#8 of an EC key": clear,
    "PKCS#8 of an Ed25519 key": der(edwards),
    "PKCS#8 of an RSA key": der(rsa),
    "PBES2 with PBKDF2": sealed(pbkdf2, pbkdf2Sync("secret", salt, 1, 32, "sha256")),
    "PBES2 with scrypt": sealed(scrypt, scryptSync("secret", salt, 32, { N: 2, r: 1, p: 1 })),
    "EC PRIVATE KEY": pair.export({ type: "sec1", format: "pem" }) as string,
    "an old encrypted EC PRIVATE KEY": execFileSync(
      "openssl",
      ["ec", "-aes128", "-passout", "pass:secret"],
      { input: pair.export({ type: "sec1", format: "pem" }), encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] },
    ),
  };
}

for (const [what, file] of Object.entries(keyFiles())) {
  Deno.test(`importPrivateKey() throws nothing untyped, and reads no other key, from a damaged file: ${what}`, async () => {
    const options = { passphrase: "secret" };
    const whole = await exportPrivateKey(await importPrivateKey(file, options));
    const text = typeof file === "string";
    const bytes = text ? new TextEncoder().encode(file) : file;
    await fuzz(bytes, async (damaged) => {
      const input = text ? new TextDecoder("latin1").decode(damaged) : damaged;
      const read = await importPrivateKey(input, options);
      // Another EC or Ed25519 number is another sound key, where nothing beside it says which it was.
      if (read.algorithm.startsWith("rsa-")) equal(await exportPrivateKey(read), whole);
    });
  });
}

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
