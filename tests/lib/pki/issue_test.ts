import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import {
  type Certificate,
  createRootCa,
  generateKeyPair,
  issueCertificate,
  type IssueOptions,
  type KeyAlgorithm,
  parseCertificate,
  type ProfileName,
} from "@helyos/pki";
import {
  bitString,
  integer,
  NULL,
  objectIdentifier,
  octetString,
  sequence,
  unsigned,
} from "../../../lib/pki/encode.ts";

const NOW = new Date("2026-06-01T12:00:00.700Z");
const key = await generateKeyPair();
const root = await createRootCa({ commonName: "Helyos Service CA", key, now: NOW, pathLength: 1 });
const issuer = { certificate: root.pem, key };
const service = await generateKeyPair();

function leaf(options: Partial<IssueOptions> = {}) {
  return issueCertificate({
    issuer,
    profile: "server",
    publicKey: service.publicKey,
    commonName: "db.internal",
    names: { dns: ["db.internal"] },
    now: NOW,
    ...options,
  });
}

async function intermediate(options: Partial<IssueOptions> = {}) {
  const own = await generateKeyPair();
  const issued = await issueCertificate({
    issuer,
    profile: "intermediate",
    publicKey: own.publicKey,
    commonName: "Helyos Issuing CA",
    now: NOW,
    ...options,
  });
  return { issued, issuer: { certificate: issued.pem, key: own } };
}

Deno.test("issueCertificate() refuses an issuer whose key is another", async () => {
  const other = await generateKeyPair();
  await rejects(() => leaf({ issuer: { certificate: root.pem, key: other } }), {
    name: "PkiError",
    code: "key_mismatch",
  });
});

Deno.test("issueCertificate() refuses an issuer that is not a CA", async () => {
  const { pem } = await leaf();
  await rejects(() => leaf({ issuer: { certificate: pem, key: service } }), { code: "issuer_not_ca" });
});

Deno.test("issueCertificate() refuses an issuer that is no certificate", async () => {
  await rejects(() => leaf({ issuer: { certificate: "junk", key } }), { code: "invalid_pem" });
  await rejects(() => leaf({ issuer: { certificate: new Uint8Array([0x30, 0]), key } }), { code: "invalid_der" });
  await rejects(() => leaf({ issuer: { certificate: root.pem + root.pem, key } }), { code: "invalid_pem" });
});

Deno.test("issueCertificate() refuses an issuer that is not valid now", async () => {
  const late = new Date(root.notAfter.valueOf() + 1);
  const early = new Date(root.notBefore.valueOf() - 1000);
  for (const now of [late, early]) await rejects(() => leaf({ now }), { code: "invalid_lifetime" });
});

Deno.test("issueCertificate() refuses lifetimes and times that make no sense", async () => {
  for (const lifetimeSeconds of [0, -1, 1.5, NaN, Infinity, 1e12]) {
    await rejects(() => leaf({ lifetimeSeconds }), RangeError);
  }
  await rejects(() => leaf({ now: new Date(NaN) }), RangeError);
});

Deno.test("issueCertificate() refuses profiles that do not exist and options that do not go together", async () => {
  for (const profile of ["", "root", "toString", "Server"]) {
    await rejects(() => leaf({ profile: profile as ProfileName }), TypeError);
  }
  await rejects(() => leaf({ pathLength: 0 }), TypeError);
  await rejects(() => leaf({ permit: { dns: ["internal"] } }), TypeError);
  for (const pathLength of [-1, 0.5, NaN, 1e9]) await rejects(() => intermediate({ pathLength }), RangeError);
  await rejects(() => intermediate({ permit: {} }), RangeError);
});

Deno.test("issueCertificate() refuses a CA below a CA whose path length is used up", async () => {
  const first = await intermediate();
  await rejects(() => intermediate({ issuer: first.issuer, commonName: "Third CA" }), {
    code: "issuer_not_ca",
    message: /path length/,
  });
  await rejects(() => intermediate({ pathLength: 1 }), { code: "issuer_not_ca" });
  await rejects(() => intermediate({ pathLength: "unlimited" }), { code: "issuer_not_ca" });
});

Deno.test("issueCertificate() lets a CA certify its own next key (RFC 5280 §6.1.4 l)", async () => {
  const old = await generateKeyPair();
  const ca = await createRootCa({ commonName: "Rolling CA", key: old, now: NOW });
  const next = await intermediate({ issuer: { certificate: ca.pem, key: old }, commonName: "Rolling CA" });
  const link = parseCertificate(next.issued.der);
  ok(link.isSelfIssued);
  equal(link.basicConstraints?.pathLength, 0);
});

Deno.test("issueCertificate() refuses the CA's own key for a service", async () => {
  await rejects(() => leaf({ publicKey: key.publicKey }), { code: "invalid_key" });
});

Deno.test("issueCertificate() refuses a private or a secret key where the public one belongs", async () => {
  await rejects(() => leaf({ publicKey: service.privateKey }), TypeError);
  const secret = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
  await rejects(() => leaf({ publicKey: secret }), TypeError);
});

Deno.test("issueCertificate() refuses public keys that are not sound", async () => {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", service.publicKey));
  const p256 = sequence(objectIdentifier("1.2.840.10045.2.1"), objectIdentifier("1.2.840.10045.3.1.7"));
  const rsa = (n: Uint8Array, e: bigint) =>
    sequence(sequence(objectIdentifier("1.2.840.113549.1.1.1"), NULL), bitString(sequence(unsigned(n), integer(e))));
  const modulus = new Uint8Array(256).fill(0xa7);
  const ed = (y: Uint8Array) => sequence(sequence(objectIdentifier("1.3.101.112")), bitString(y));
  const bad: Readonly<Record<string, [Uint8Array, string]>> = {
    "nothing": [new Uint8Array(0), "invalid_der"],
    "cut short": [spki.slice(0, -1), "invalid_der"],
    "followed by more": [Uint8Array.from([...spki, 0]), "invalid_der"],
    "off the curve": [spki.with(60, spki[60]! ^ 1), "invalid_key"],
    "the point at infinity": [sequence(p256, bitString(new Uint8Array(1))), "invalid_key"],
    "zeros": [sequence(p256, bitString(new Uint8Array(65).fill(4, 0, 1))), "invalid_key"],
    "compressed": [sequence(p256, bitString(new Uint8Array(33).fill(2))), "unsupported_key"],
    "another curve": [
      sequence(sequence(objectIdentifier("1.2.840.10045.2.1"), objectIdentifier("1.3.132.0.10")), bitString(spki)),
      "unsupported_key",
    ],
    "DSA": [sequence(sequence(objectIdentifier("1.2.840.10040.4.1")), bitString(spki)), "unsupported_key"],
    "RSA of 1024 bits": [rsa(modulus.slice(0, 128), 65537n), "invalid_key"],
    "RSA of 8192 bits": [rsa(new Uint8Array(1024).fill(0xa7), 65537n), "unsupported_key"],
    "RSA, even": [rsa(modulus.with(255, 0xa6), 65537n), "invalid_key"],
    "RSA, a multiple of three": [rsa(new Uint8Array(256).fill(0xff), 65537n), "invalid_key"],
    "RSA with exponent 3": [rsa(modulus, 3n), "invalid_key"],
    "RSA with exponent 1": [rsa(modulus, 1n), "invalid_key"],
    "Ed25519, the neutral point": [ed(new Uint8Array(32).with(0, 1)), "invalid_key"],
    "Ed25519, zeros": [ed(new Uint8Array(32)), "invalid_key"],
    "Ed25519, not reduced": [ed(new Uint8Array(32).fill(0xff)), "invalid_key"],
    "Ed25519, too short": [ed(new Uint8Array(31).fill(7)), "invalid_key"],
    "an OCTET STRING": [octetString(spki), "invalid_der"],
  };
  for (const [what, [publicKey, code]] of Object.entries(bad)) {
    await rejects(() => leaf({ publicKey }), { name: "PkiError", code }, what);
  }
});

Deno.test("issueCertificate() refuses names that its CA may not speak for", async () => {
  const permit = { dns: ["svc.internal", "lab"], ip: ["10.0.0.0/8", "fd00::/8"] };
  const { issuer: limited } = await intermediate({ permit });
  const outside = [
    { dns: ["db.internal"] },
    { dns: ["svc.internal.evil"] },
    { dns: ["xsvc.internal"] },
    { dns: ["*.lab.internal"] },
    { ip: ["11.0.0.1"] },
    { ip: ["2001:db8::1"] },
    { dns: ["db.svc.internal"], ip: ["127.0.0.1"] },
  ];
  for (const names of outside) {
    await rejects(() => leaf({ issuer: limited, names }), { code: "name_not_permitted" }, JSON.stringify(names));
  }
  for (const names of [{ dns: ["svc.internal", "*.db.svc.internal", "a.lab"] }, { ip: ["10.255.0.1", "fd12::1"] }]) {
    await leaf({ issuer: limited, commonName: "db.svc.internal", names });
  }
});

Deno.test("issueCertificate() refuses a common name that looks like a host its CA may not speak for", async () => {
  const { issuer: limited } = await intermediate({ permit: { dns: ["svc.internal"] } });
  const client = (commonName: string, names = {}) => leaf({ issuer: limited, profile: "client", commonName, names });
  for (const name of ["db.lan", "10.0.0.1"]) await rejects(() => client(name), { code: "name_not_permitted" });
  await rejects(() => client("db.lan", { ip: ["10.0.0.1"] }), { code: "name_not_permitted" });
  for (const commonName of ["Ada Lovelace", "ada", "db.svc.internal"]) await client(commonName);
  await client("db.lan", { dns: ["db.svc.internal"] });
});

Deno.test("issueCertificate() says where the revocation list is, in a URI that is one", async () => {
  for (const uri of ["crl.internal", "http://a b/", "http://-x/"]) {
    await rejects(() => leaf({ crlUris: [uri] }), { code: "invalid_name" });
  }
  const crlUris = ["http://crl.internal/ca.crl", "http://crl2.internal/ca.crl"];
  const certificate = parseCertificate((await leaf({ crlUris })).der);
  deepEqual(certificate.crlDistributionPoints?.length, 1);
  const [point] = certificate.crlDistributionPoints ?? [];
  ok(JSON.stringify(point).includes("http://crl2.internal/ca.crl"));
});

Deno.test("createRootCa() refuses bad names, lifetimes and path lengths", async () => {
  const make = (options: object) => createRootCa({ commonName: "X", key, ...options });
  for (const commonName of ["", "a\nb", "a/b", "a,b", "x".repeat(65)]) {
    await rejects(() => make({ commonName }), { code: "invalid_name" });
  }
  for (const lifetimeDays of [0, -1, NaN, 1e9]) await rejects(() => make({ lifetimeDays }), RangeError);
  for (const pathLength of [-1, 1.5, "all"]) await rejects(() => make({ pathLength }), RangeError);
  await rejects(() => make({ permit: {} }), RangeError);
  for (const dns of ["", ".internal", "*.internal", "a b"]) {
    await rejects(() => make({ permit: { dns: [dns] } }), { code: "invalid_name" });
  }
  await rejects(() => make({ permit: { ip: ["10.0.0.1/8"] } }), { code: "invalid_name" });
});

Deno.test("createRootCa() says what the contract asks of a CA, and no more", () => {
  const ca = parseCertificate(root.pem);
  equal(ca.version, 3);
  equal(ca.subject.toString(), "CN=Helyos Service CA");
  ok(ca.isSelfIssued);
  deepEqual(ca.basicConstraints, { ca: true, pathLength: 1 });
  deepEqual([...ca.keyUsage!], ["keyCertSign", "cRLSign"]);
  deepEqual(ca.extensions.map(({ id, critical }) => [id, critical]), [
    ["2.5.29.19", true],
    ["2.5.29.15", true],
    ["2.5.29.14", false],
  ]);
  equal(ca.notBefore.toISOString(), "2026-06-01T11:55:00.000Z");
  equal(ca.notAfter.valueOf(), Date.parse("2026-06-01T12:00:00Z") + 3650 * 86_400_000);
});

Deno.test("createRootCa() writes a path length of 0 unless told otherwise", async () => {
  const lengths = await Promise.all(([undefined, 0, 3, "unlimited"] as const).map(async (pathLength) => {
    const { der } = await createRootCa({ commonName: "X", key, ...(pathLength === undefined ? {} : { pathLength }) });
    return parseCertificate(der).basicConstraints?.pathLength;
  }));
  deepEqual(lengths, [0, 0, 3, undefined]);
});

const PURPOSES: Readonly<Record<ProfileName, readonly string[]>> = {
  server: ["1.3.6.1.5.5.7.3.1"],
  client: ["1.3.6.1.5.5.7.3.2"],
  peer: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
  intermediate: [],
};

for (const algorithm of ["ec-p256", "ec-p384", "ed25519", "rsa-2048"] satisfies KeyAlgorithm[]) {
  for (const profile of ["server", "client", "peer"] satisfies ProfileName[]) {
    Deno.test(`issueCertificate() says what the contract asks of a ${profile} with ${algorithm}`, async () => {
      const own = await generateKeyPair(algorithm);
      const names = { dns: ["db.internal", "db.internal", "DB.lan"], ip: ["127.0.0.1", "::1"] };
      const { der } = await leaf({ profile, publicKey: own.publicKey, names });
      const certificate: Certificate = parseCertificate(der);
      deepEqual(certificate.basicConstraints, { ca: false });
      const usage = algorithm.startsWith("rsa") && profile !== "client"
        ? ["digitalSignature", "keyEncipherment"]
        : ["digitalSignature"];
      deepEqual([...certificate.keyUsage!], usage);
      deepEqual(certificate.extendedKeyUsage, PURPOSES[profile]);
      deepEqual(certificate.names.map(({ kind, value }) => `${kind}:${value}`), [
        "dns:db.internal",
        "dns:db.lan",
        "ip:127.0.0.1",
        "ip:::1",
      ]);
      deepEqual(certificate.extensions.map(({ id, critical }) => [id, critical]), [
        ["2.5.29.19", true],
        ["2.5.29.15", true],
        ["2.5.29.37", false],
        ["2.5.29.14", false],
        ["2.5.29.35", false],
        ["2.5.29.17", false],
      ]);
      equal(certificate.authorityKeyIdentifier?.keyIdentifier, parseCertificate(root.pem).subjectKeyIdentifier);
      equal(certificate.authorityKeyIdentifier?.serial, undefined);
      deepEqual(certificate.issuer.der, parseCertificate(root.pem).subject.der);
      ok(new X509Certificate(der as never).verify(new X509Certificate(root.pem).publicKey));
    });
  }
}

Deno.test("issueCertificate() signs as CAs of every kind", async () => {
  for (const algorithm of ["ec-p384", "ed25519", "rsa-3072"] satisfies KeyAlgorithm[]) {
    const own = await generateKeyPair(algorithm);
    const ca = await createRootCa({ commonName: "X", key: own, now: NOW });
    const { pem } = await leaf({ issuer: { certificate: ca.der, key: own } });
    ok(new X509Certificate(pem).verify(new X509Certificate(ca.pem).publicKey), algorithm);
  }
});

Deno.test("issueCertificate() dates back five minutes, to the second, and never before its issuer", async () => {
  const hour = await leaf({ now: new Date(NOW.valueOf() + 3_600_000), lifetimeSeconds: 60 });
  equal(hour.notBefore.toISOString(), "2026-06-01T12:55:00.000Z");
  equal(hour.notAfter.toISOString(), "2026-06-01T13:01:00.000Z");
  const parsed = parseCertificate(hour.der);
  deepEqual([parsed.notBefore, parsed.notAfter], [hour.notBefore, hour.notAfter]);
  const early = await leaf({ now: new Date(NOW.valueOf() - 60_000) });
  deepEqual(early.notBefore, root.notBefore);
});

Deno.test("issueCertificate() never lets a certificate outlive its issuer", async () => {
  const short = await intermediate({ lifetimeSeconds: 3600 });
  const cut = await leaf({ issuer: short.issuer });
  deepEqual(cut.notAfter, short.issued.notAfter);
  const own = await intermediate({ lifetimeSeconds: 1e10 });
  deepEqual(own.issued.notAfter, root.notAfter);
  equal((await leaf()).notAfter.valueOf(), Date.parse("2027-06-01T12:00:00Z"));
});

Deno.test("issueCertificate() numbers certificates with 20 random octets, never negative, never twice", async () => {
  const serials = await Promise.all(Array.from({ length: 50 }, async () => {
    const { der, serial } = await leaf();
    equal(parseCertificate(der).serial, serial);
    match(serial, /^[4-7][0-9a-f]{39}$/);
    return serial;
  }));
  equal(new Set(serials).size, 50);
});

Deno.test("issueCertificate() takes the key identifier that the issuer's certificate states", async () => {
  const other = await generateKeyPair();
  const again = await createRootCa({ commonName: "Helyos Service CA", key: other, now: NOW });
  const under = async (certificate: string, pair: typeof key) =>
    parseCertificate((await leaf({ issuer: { certificate, key: pair } })).der).authorityKeyIdentifier?.keyIdentifier;
  notEqual(await under(root.pem, key), await under(again.pem, other));
});

Deno.test("issueCertificate() notices that the issuer's certificate is another than the last time", async () => {
  const renewed = await createRootCa({ commonName: "Renamed CA", key, now: NOW });
  const before = parseCertificate((await leaf()).der);
  const after = parseCertificate((await leaf({ issuer: { certificate: renewed.pem, key } })).der);
  equal(before.issuer.commonName, "Helyos Service CA");
  equal(after.issuer.commonName, "Renamed CA");
  const bytes = root.der.slice();
  await leaf({ issuer: { certificate: bytes, key } });
  bytes.fill(0);
  await rejects(() => leaf({ issuer: { certificate: bytes, key } }), { code: "invalid_der" });
});

Deno.test("issueCertificate() writes name constraints that are critical", async () => {
  const permit = { dns: ["Internal", "bücher.lan"], ip: ["10.0.0.0/8", "::/0"] };
  const { issued } = await intermediate({ permit });
  const certificate = parseCertificate(issued.der);
  deepEqual(certificate.nameConstraints?.permitted.map(({ base }) => `${base.kind}:${base.value}`), [
    "dns:internal",
    "dns:xn--bcher-kva.lan",
    "ip:10.0.0.0/255.0.0.0",
    "ip:::/::",
  ]);
  ok(certificate.extensions.some(({ id, critical }) => id === "2.5.29.30" && critical));
});
