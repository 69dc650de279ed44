import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  ascii,
  boolean,
  constructed,
  extension,
  integer,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  tlv,
  utf8String,
} from "../../../lib/pki/encode.ts";
import { holdsKey, inspect } from "../../../lib/pki/inspect.ts";
import { createRootCa } from "../../../lib/pki/issue.ts";
import { generateKeyPair } from "../../../lib/pki/key.ts";
import { ExtensionId, PurposeId } from "../../../lib/pki/oid.ts";
import { certificate, generalName, testKey } from "../../support/pki_builder.ts";
import { lacking, tool } from "../../support/tools.ts";
import { ALGORITHMS, authority, identity } from "./support/material.ts";

Deno.test("inspect() tells everything, in a form that JSON can hold", () => {
  const key = testKey("p256");
  const access = (method: string, uri: string): Uint8Array =>
    sequence(objectIdentifier(method), generalName(`uri:${uri}`));
  const der = certificate({
    subject: [["2.5.4.6", "DE"], ["2.5.4.10", "Helyos, Inc."], ["2.5.4.3", "db"]],
    issuer: "CA",
    key,
    serial: 0xff,
    ca: true,
    pathLength: 0,
    usage: ["keyCertSign"],
    purposes: [PurposeId.serverAuth, "1.2.3.4"],
    names: ["dns:db", "ip:2001:db8:0:0:0:0:0:1", "uri:spiffe://a/b", "dir:x"],
    permitted: ["dns:internal", "ip:10.0.0.0/8"],
    policies: ["1.2.3", "2.5.29.32.0"],
    crlUris: ["http://crl/"],
    extensions: [
      extension(
        "1.3.6.1.5.5.7.1.1",
        sequence(access("1.3.6.1.5.5.7.48.1", "http://ocsp/"), access("1.3.6.1.5.5.7.48.2", "http://ca/")),
      ),
      extension("1.2.3.4", tlv(5), true),
    ],
  });
  const { fingerprints, subjectKeyIdentifier, extensions, ...details } = JSON.parse(
    JSON.stringify(inspect(der, { now: new Date("2026-12-30T12:00:00Z") })),
  );
  equal(fingerprints.sha256.length, 95);
  equal(subjectKeyIdentifier.length, 40);
  equal(extensions[0].value, "30060101ff020100");
  equal(extensions.at(-1).value, "0500");
  const heads = extensions.map(({ id, name, critical }: Record<string, unknown>) => ({ id, name, critical }));
  deepEqual({ ...details, extensions: heads }, {
    subject: "CN=db,O=Helyos\\, Inc.,C=DE",
    issuer: "CN=CA",
    commonName: "db",
    version: 3,
    serial: "ff",
    notBefore: "2026-01-01T00:00:00.000Z",
    notAfter: "2027-01-01T00:00:00.000Z",
    lifetimeSeconds: 31_536_001,
    daysLeft: 1,
    key: { algorithm: "EC P-256", bits: 256, weakness: null },
    signatureAlgorithm: "ecdsaWithSha256",
    isCa: true,
    pathLength: 0,
    isSelfIssued: false,
    isSelfSigned: false,
    keyUsage: ["keyCertSign"],
    extendedKeyUsage: ["serverAuth", "1.2.3.4"],
    names: [
      { kind: "dns", value: "db" },
      { kind: "ip", value: "2001:db8::1" },
      { kind: "uri", value: "spiffe://a/b" },
      { kind: "directory", value: "CN=x" },
    ],
    issuerNames: [],
    nameConstraints: {
      permitted: [{ kind: "dns", value: "internal" }, { kind: "ip", value: "10.0.0.0/255.0.0.0" }],
      excluded: [],
    },
    policies: ["1.2.3", "anyPolicy"],
    policyUrls: [],
    policyNotices: [],
    policyMappings: [],
    policyConstraints: null,
    inhibitAnyPolicy: null,
    authorityKeyIdentifier: details.authorityKeyIdentifier,
    authorityCertificate: null,
    crlUrls: ["http://crl/"],
    deltaCrlUrls: [],
    ocspUrls: ["http://ocsp/"],
    issuerUrls: ["http://ca/"],
    logPromises: [],
    tlsFeatures: [],
    extensions: [
      { id: "2.5.29.19", name: "basicConstraints", critical: true },
      { id: "2.5.29.15", name: "keyUsage", critical: true },
      { id: "2.5.29.37", name: "extendedKeyUsage", critical: false },
      { id: "2.5.29.17", name: "subjectAltName", critical: false },
      { id: "2.5.29.30", name: "nameConstraints", critical: true },
      { id: "2.5.29.32", name: "certificatePolicies", critical: false },
      { id: "2.5.29.31", name: "crlDistributionPoints", critical: false },
      { id: "2.5.29.14", name: "subjectKeyIdentifier", critical: false },
      { id: "2.5.29.35", name: "authorityKeyIdentifier", critical: false },
      { id: "1.3.6.1.5.5.7.1.1", name: "authorityInfoAccess", critical: false },
      { id: "1.2.3.4", name: "1.2.3.4", critical: true },
    ],
  });
});

Deno.test("inspect() tells a weak key, and refuses what it cannot read", () => {
  const key = testKey("rsa", { modulusLength: 1024 });
  deepEqual(inspect(certificate({ key, version: 0 })).key, {
    algorithm: "RSA 1024",
    bits: 1024,
    weakness: "an RSA key of 1024 bits is too small",
  });
  throws(() => inspect(new Uint8Array([0x30])), { code: "invalid_der" });
});

Deno.test("holdsKey() tells a pair that does not belong together", async () => {
  const key = await generateKeyPair();
  const { pem } = await createRootCa({ commonName: "Example CA", key });
  equal(await holdsKey(pem, (await generateKeyPair()).publicKey), false);
  equal(await holdsKey(pem, key.publicKey), true);
});

Deno.test("inspect() tells what only people ask about", () => {
  const vector = (bytes: Uint8Array) => Uint8Array.of(bytes.length >> 8, bytes.length & 0xff, ...bytes);
  const promise = new Uint8Array(47 + 4);
  promise.fill(0xab, 1, 33);
  new DataView(promise.buffer).setBigUint64(33, BigInt(Date.UTC(2026, 0, 2, 3, 4, 5, 678)));
  const promises = vector(Uint8Array.from([...vector(promise), ...vector(promise)]));
  const qualifier = (id: string, value: Uint8Array) => sequence(objectIdentifier(`1.3.6.1.5.5.7.2.${id}`), value);
  const reference = sequence(utf8String("Org"), sequence(integer(1)));
  const qualifiers = sequence(
    qualifier("1", tlv(0x16, ascii("http://cps/"))),
    qualifier("2", sequence(reference, utf8String("Mind the gap"))),
    qualifier("2", sequence(reference)),
    qualifier("9", tlv(5)),
  );
  const key = testKey();
  const told = (extensions: readonly Uint8Array[]) => inspect(certificate({ key, keyIds: false, extensions }));
  const details = told([
    extension(ExtensionId.signedCertificateTimestamps, octetString(promises)),
    extension(ExtensionId.certificatePolicies, sequence(sequence(objectIdentifier("1.2.3"), qualifiers))),
    extension(ExtensionId.tlsFeature, sequence(integer(5), integer(17))),
    extension(
      ExtensionId.authorityKeyIdentifier,
      sequence(constructed(1, generalName("dir:Root")), primitive(2, Uint8Array.of(0x0f, 0x3a))),
    ),
    extension(ExtensionId.issuerAltName, sequence(generalName("dns:ca.internal"))),
    extension(
      ExtensionId.freshestCrl,
      sequence(sequence(constructed(0, constructed(0, generalName("uri:http://delta/"))))),
    ),
    extension(ExtensionId.policyConstraints, sequence(primitive(0, Uint8Array.of(3)))),
    extension(ExtensionId.inhibitAnyPolicy, integer(2), true),
    extension(ExtensionId.policyMappings, sequence(sequence(objectIdentifier("1.2.3"), objectIdentifier("1.2.4")))),
  ]);
  const timestamp = new Date("2026-01-02T03:04:05.678Z");
  deepEqual(details.logPromises, Array(2).fill({ logId: "ab".repeat(32), timestamp }));
  deepEqual([details.policyUrls, details.policyNotices], [["http://cps/"], ["Mind the gap"]]);
  deepEqual(details.tlsFeatures, [5, 17]);
  deepEqual(details.authorityCertificate, { issuer: [{ kind: "directory", value: "CN=Root" }], serial: "0f3a" });
  deepEqual(details.issuerNames, [{ kind: "dns", value: "ca.internal" }]);
  deepEqual(details.deltaCrlUrls, ["http://delta/"]);
  deepEqual(details.policyConstraints, { requireExplicitPolicy: 3 });
  equal(details.inhibitAnyPolicy, 2);
  deepEqual(details.policyMappings, [{ issuerDomain: "1.2.3", subjectDomain: "1.2.4" }]);

  const spoilt = [
    vector(vector(promise.slice(0, 46))),
    vector(vector(promise.with(0, 1))),
    vector(vector(new Uint8Array(promise).fill(0xff, 33, 41))),
    vector(vector(promise)).slice(0, -1),
    Uint8Array.of(...promises, 0),
    Uint8Array.of(0),
    Uint8Array.of(0, 1, 0),
  ];
  for (const octets of spoilt) {
    equal(told([extension(ExtensionId.signedCertificateTimestamps, octetString(octets))]).logPromises, null);
  }
  equal(told([extension(ExtensionId.tlsFeature, boolean(true))]).tlsFeatures, null);
});

Deno.test("inspect() tells a certificate that signed itself from one that bears its issuer's name", () => {
  for (const kind of ["ed25519", "p256", "p384", "p521", "rsa"] as const) {
    const key = testKey(kind);
    equal(inspect(certificate({ subject: "CA", issuer: "CA", key })).isSelfSigned, true, kind);
    const { isSelfIssued, isSelfSigned } = inspect(
      certificate({ subject: "CA", issuer: "CA", key, signer: testKey() }),
    );
    deepEqual([isSelfIssued, isSelfSigned], [true, false], kind);
    equal(inspect(certificate({ subject: "CA", issuer: "Root", key })).isSelfSigned, false, kind);
  }
  equal(
    inspect(certificate({ key: testKey("rsa", { modulusLength: 1024 }), issuer: "x", subject: "x" })).isSelfSigned,
    true,
  );
});

Deno.test({
  name: "inspect() names keys and signatures nobody should use any more, too",
  ignore: lacking("openssl"),
  fn() {
    const make = (kind: readonly string[], hash: string) =>
      execFileSync(
        tool("openssl"),
        ["req", "-x509", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x", "-newkey", ...kind, hash],
        { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      );
    const told = (pem: string) => {
      const { key, signatureAlgorithm, isSelfSigned } = inspect(pem);
      ok(key.weakness !== null || signatureAlgorithm === "sha1WithRSAEncryption");
      return [key.algorithm, key.bits, signatureAlgorithm, isSelfSigned];
    };
    deepEqual(told(make(["rsa:1536"], "-sha256")), ["RSA 1536", 1536, "sha256WithRSAEncryption", true]);
    deepEqual(told(make(["rsa:2048"], "-sha1")), ["RSA 2048", 2048, "sha1WithRSAEncryption", true]);
    const koblitz = told(make(["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "-sha256"));
    deepEqual(koblitz.slice(0, 3), ["EC secp256k1", 256, "ecdsaWithSha256"]);
    const named = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"];
    deepEqual(told(make(named, "-sha256")).slice(0, 2), ["EC of a curve without a name", null]);
  },
});

Deno.test({
  name: "inspect() agrees with openssl x509",
  ignore: lacking("openssl"),
  async fn() {
    for (const algorithm of ALGORITHMS) {
      const ca = await authority(algorithm, { dns: ["internal", "localhost"], ip: ["127.0.0.0/8", "::1"] });
      for (const pem of [ca.root.pem, ca.intermediate.pem, (await identity(ca, "peer", { algorithm })).certificate]) {
        const details = inspect(pem);
        const { subject, issuer, serial, notBefore, notAfter, fingerprints } = details;
        const args = ["-nameopt", "RFC2253", "-dateopt", "iso_8601", "-subject", "-issuer", "-serial", "-dates"];
        const command = ["x509", "-noout", ...args, "-sha256", "-fingerprint", "-text"];
        const text = execFileSync(tool("openssl"), command, { input: pem, encoding: "utf8" });
        const utc = (date: Date) => date.toISOString().replace("T", " ").replace(".000", "");
        const has = (what: string) => ok(text.includes(what), `${what} in ${text}`);
        has(`subject=${subject}\n`);
        has(`issuer=${issuer}\n`);
        has(`serial=${serial.toUpperCase()}\n`);
        has(`notBefore=${utc(notBefore)}\nnotAfter=${utc(notAfter)}\n`);
        has(`sha256 Fingerprint=${fingerprints.sha256.toUpperCase()}\n`);
        has(details.subjectKeyIdentifier!.toUpperCase().replace(/..(?!$)/g, "$&:"));
        if (details.key.algorithm !== "Ed25519") has(`(${details.key.bits} bit)`);
        if (details.isCa) has(`CA:TRUE, pathlen:${details.pathLength}`);
        const spellings = { dns: "DNS:", ip: "IP Address:", uri: "URI:", email: "email:" } as const;
        for (const { kind, value } of details.names) {
          has(`${spellings[kind as "dns"]}${value === "::1" ? "0:0:0:0:0:0:0:1" : value}`);
        }
      }
    }
  },
});
