import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequest, generateKeyPair, type KeyAlgorithm, parseRequest, pemEncode, verifyRequest } from "@helyos/pki";
import {
  constructed,
  extension,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
} from "../../../lib/pki/encode.ts";
import { publicKeyOf } from "../../../lib/pki/public_key.ts";
import { signed, signerOf } from "../../../lib/pki/sign.ts";
import { judgeNames, nameWithCommonName } from "../../../lib/pki/subject.ts";
import { subjectAltName } from "../../../lib/pki/write_extension.ts";

const key = await generateKeyPair();
const names = { dns: ["db.internal"], ip: ["192.0.2.7", "::1"], uri: ["spiffe://c/db"], email: ["ops@db.internal"] };

/** A request of our own with attributes of any kind. */
async function requestWith(...attributes: Uint8Array[]): Promise<Uint8Array> {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey));
  return await signed(
    signerOf(key),
    sequence(integer(0), nameWithCommonName("x"), spki, constructed(0, ...attributes)),
  );
}
const extensionRequest = (...values: Uint8Array[]) =>
  sequence(objectIdentifier("1.2.840.113549.1.9.14"), setOf(...values));
const san = (dns: string) => subjectAltName(judgeNames({ dns: [dns] }, { wildcard: false }));

Deno.test("parseRequest() refuses what is not exactly one request", async () => {
  const { pem, der } = await createRequest({ key, commonName: "x" });
  for (const text of ["", "junk", pem + pem, pemEncode("CERTIFICATE", der)]) {
    throws(() => parseRequest(text), { name: "PkiError", code: "invalid_pem" });
  }
  for (const bytes of [new Uint8Array(0), der.slice(0, -1), Uint8Array.from([...der, 0])]) {
    throws(() => parseRequest(bytes), { code: "invalid_der" });
  }
});

Deno.test("parseRequest() refuses names asked for twice over, where readers would differ", async () => {
  const twice = [
    await requestWith(extensionRequest(sequence(san("a.x"))), extensionRequest(sequence(san("b.x")))),
    await requestWith(extensionRequest(sequence(san("a.x")), sequence(san("b.x")))),
    await requestWith(extensionRequest(sequence(san("a.x"), san("b.x")))),
  ];
  for (const der of twice) throws(() => parseRequest(der), { code: "invalid_request" });
});

Deno.test("parseRequest() refuses an empty list of extensions and names it cannot read", async () => {
  const bad = [
    await requestWith(extensionRequest(sequence())),
    await requestWith(extensionRequest()),
    await requestWith(extensionRequest(sequence(extension("2.5.29.17", sequence())))),
    await requestWith(extensionRequest(sequence(extension("2.5.29.17", octetString(new Uint8Array(3)))))),
  ];
  for (const der of bad) throws(() => parseRequest(der), { code: "invalid_der" });
});

Deno.test("verifyRequest() is false when anything was changed", async () => {
  const { der } = await createRequest({ key, commonName: "db.internal", names });
  let judged = 0;
  for (let at = 0; at < der.length; at++) {
    const changed = der.with(at, der[at]! ^ 1);
    let request;
    try {
      request = parseRequest(changed);
    } catch (error) {
      ok(error instanceof Error && error.name === "PkiError", String(error));
      continue;
    }
    equal(await verifyRequest(request), false, `octet ${at}`);
    judged++;
  }
  ok(judged > 100);
});

Deno.test("verifyRequest() is false for a key that must not be certified, however well it signs", async () => {
  const weak = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ["sign", "verify"],
  ) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", weak.publicKey));
  const tbs = sequence(integer(0), nameWithCommonName("x"), spki, constructed(0));
  const der = await signed(signerOf({ algorithm: "rsa-2048", privateKey: weak.privateKey }), tbs);
  equal(await verifyRequest(parseRequest(der)), false);
});

Deno.test("verifyRequest() is false when another key signed", async () => {
  const other = await generateKeyPair();
  const der = await signed(
    signerOf(key),
    sequence(
      integer(0),
      nameWithCommonName("x"),
      publicKeyOf("ec-p256", new Uint8Array(await crypto.subtle.exportKey("raw", other.publicKey))).spki,
      constructed(0),
    ),
  );
  equal(await verifyRequest(parseRequest(der)), false);
});

Deno.test("createRequest() refuses bad names before it signs", async () => {
  const bad = [
    { commonName: "a/b" },
    { commonName: "x".repeat(65) },
    { commonName: "x", names: { dns: ["a b"] } },
    { commonName: "x", names: { ip: ["localhost"] } },
  ];
  for (const options of bad) await rejects(() => createRequest({ key, ...options }), { code: "invalid_name" });
});

for (const algorithm of ["ec-p256", "ec-p384", "ed25519", "rsa-2048"] satisfies KeyAlgorithm[]) {
  Deno.test(`createRequest() asks with ${algorithm} for what parseRequest() reads`, async () => {
    const own = await generateKeyPair(algorithm);
    const { pem, der } = await createRequest({ key: own, commonName: "db.internal", names });
    const request = parseRequest(pem);
    deepEqual(request.der, der);
    equal(request.subject.commonName, "db.internal");
    deepEqual(request.names, names);
    deepEqual(request.spki, new Uint8Array(await crypto.subtle.exportKey("spki", own.publicKey)));
    equal(await verifyRequest(request), true);
  });
}

Deno.test("parseRequest() reads a request without names, and what it holds does not change with the caller's bytes", async () => {
  const { der } = await createRequest({ key, commonName: "x" });
  const request = parseRequest(der);
  deepEqual([request.names, request.extensions], [{}, []]);
  der.fill(0);
  equal(await verifyRequest(request), true);
});

Deno.test("parseRequest() reads requests of OpenSSL, with attributes of other kinds beside", async () => {
  const config =
    "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=e\nattributes=a\n[a]\nchallengePassword=secret\n" +
    "[dn]\nO=Helyos\nCN=db.internal\n[e]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:a.internal,IP:192.0.2.1,RID:1.2.3\n";
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/req.cnf`, config);
    for (const kind of [["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], ["ed25519"]]) {
      const args = [
        "req",
        "-new",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-config",
        `${directory}/req.cnf`,
        "-newkey",
        ...kind,
      ];
      const pem = execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      for (const text of [pem, pem.replaceAll("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")]) {
        const request = parseRequest(text);
        equal(request.subject.toString(), "CN=db.internal,O=Helyos");
        deepEqual(request.names, { dns: ["a.internal"], ip: ["192.0.2.1"] });
        deepEqual(request.requestedNames.map((name) => name.kind), ["dns", "ip", "registered"]);
        equal(await verifyRequest(request), true);
      }
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("parseRequest() survives being cut short, and noise in any octet", async () => {
  const { der } = await createRequest({ key, commonName: "db.internal", names });
  for (let at = 0; at < der.length; at++) {
    for (const bytes of [der.slice(0, at), ...[0x80, 0xff, 0x7f].map((mask) => der.with(at, der[at]! ^ mask))]) {
      try {
        parseRequest(bytes);
      } catch (error) {
        equal((error as Error).name, "PkiError", `octet ${at}: ${error}`);
      }
    }
  }
});
