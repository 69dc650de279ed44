import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  createCrl,
  createRootCa,
  type CrlOptions,
  generateKeyPair,
  issueCertificate,
  parseCertificate,
  type RevocationReason,
  revoke,
} from "@helyos/pki";
import { parseCrl } from "../../../lib/pki/crl.ts";
import { certificate, testKey } from "../../support/pki_builder.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const key = await generateKeyPair();
const ca = await createRootCa({ commonName: "Helyos Service CA", key, now: NOW });
const issuer = { certificate: ca.pem, key };
const signer = parseCertificate(ca.pem).subject;
const otherKey = await generateKeyPair();
const other = parseCertificate((await createRootCa({ commonName: "Other CA", key: otherKey, now: NOW })).pem).subject;
const date = new Date("2026-05-31T00:00:00Z");

function crl(options: Partial<CrlOptions> = {}) {
  const nextUpdate = new Date(NOW.valueOf() + 7 * 86_400_000);
  return createCrl({ issuer, number: 1, revoked: [], nextUpdate, now: NOW, ...options });
}

const text = (pem: string) =>
  execFileSync("openssl", ["crl", "-noout", "-text"], {
    input: pem,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
  });

Deno.test("createCrl() refuses an issuer that may not sign lists", async () => {
  const leafKey = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer,
    profile: "client",
    publicKey: leafKey.publicKey,
    commonName: "x",
    now: NOW,
  });
  await rejects(() => crl({ issuer: { certificate: leaf.pem, key: leafKey } }), { code: "issuer_not_ca" });
  await rejects(() => crl({ issuer: { certificate: ca.pem, key: leafKey } }), { code: "key_mismatch" });
});

Deno.test("createCrl() refuses a CA whose key may not sign lists, issueCertificate() one whose key may not sign certificates", async () => {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey));
  const limited = (usage: readonly string[]) => {
    const of = { ...testKey("p256"), spki };
    return {
      certificate: certificate({ subject: "CA", key: of, ca: true, usage, notBefore: new Date("2026-01-01") }),
      key,
    };
  };
  const lacks = (usage: string) => ({ name: "PkiError", code: "issuer_not_ca", message: new RegExp(`lacks ${usage}`) });
  await rejects(() => crl({ issuer: limited(["keyCertSign"]) }), lacks("cRLSign"));
  equal(parseCrl((await crl({ issuer: limited(["cRLSign"]) })).der).issuer.commonName, "CA");
  const publicKey = otherKey.publicKey;
  const leaf = { issuer: limited(["cRLSign"]), profile: "client", publicKey, commonName: "x", now: NOW } as const;
  await rejects(() => issueCertificate(leaf), lacks("keyCertSign"));
});

Deno.test("createCrl() refuses numbers that no list has", async () => {
  for (const number of [-1, -1n, 1n << 159n]) await rejects(() => crl({ number }), RangeError);
  for (const number of [1.5, NaN]) await rejects(() => crl({ number }), RangeError);
});

Deno.test("createCrl() refuses serials that are not hex, and one that stands there twice", async () => {
  for (const serial of ["", "xyz", "0x1", "1 2", "-", "1".repeat(43), "1\n"]) {
    await rejects(() => crl({ revoked: [{ serial, date }] }), SyntaxError);
  }
  for (const again of ["ab", "AB", "00ab"]) {
    await rejects(() => crl({ revoked: [{ serial: "ab", date }, { serial: again, date }] }), { code: "invalid_crl" });
  }
});

Deno.test("createCrl() refuses dates that make no sense", async () => {
  await rejects(() => crl({ nextUpdate: NOW }), { code: "invalid_lifetime" });
  await rejects(() => crl({ nextUpdate: new Date(NaN) }), RangeError);
  await rejects(() => crl({ now: new Date(NaN) }), RangeError);
  await rejects(() => crl({ revoked: [{ serial: "1", date: new Date(NaN) }] }), RangeError);
  await rejects(() => crl({ revoked: [{ serial: "1", date, invalidityDate: new Date(NaN) }] }), RangeError);
});

Deno.test("createCrl() refuses entries that contradict the kind of list", async () => {
  const refused: Partial<CrlOptions>[] = [
    { revoked: [{ serial: "1", date, reason: "removeFromCRL" }] },
    { revoked: [{ serial: "1", date, issuer: other }] },
    { revoked: [{ serial: "1", date, reason: "superseded" }], scope: { reasons: ["keyCompromise"] } },
    { revoked: [{ serial: "1", date }], scope: { reasons: ["keyCompromise"] } },
    { number: 5, baseNumber: 5 },
    { number: 5, baseNumber: 6 },
    { number: 5, baseNumber: 4, deltaUris: ["http://crl.internal/delta"] },
    { scope: {} },
    { scope: { reasons: [] } },
  ];
  for (const options of refused) {
    await rejects(
      () => crl(options),
      { name: "PkiError", code: "invalid_crl" },
      JSON.stringify(options.scope ?? options.number),
    );
  }
  await rejects(() => crl({ scope: { uris: ["crl.internal"] } }), { code: "invalid_name" });
  const reason = "toString" as RevocationReason;
  await rejects(() => crl({ revoked: [{ serial: "1", date, reason }] }), TypeError);
});

Deno.test("createCrl() writes what parseCrl() reads", async () => {
  const revoked = [
    { serial: "7f", date },
    { serial: "80", date, reason: "keyCompromise" as const, invalidityDate: new Date("2026-05-01T00:00:00Z") },
    { serial: "4fffffffffffffffffffffffffffffffffffffff", date, reason: "certificateHold" as const },
  ];
  const { der, pem } = await crl({ number: 300n, revoked });
  const read = parseCrl(pem);
  deepEqual(read.der, der);
  equal(read.version, 2);
  equal(read.number, 300n);
  equal(read.issuer.toString(), "CN=Helyos Service CA");
  equal(read.thisUpdate.toISOString(), "2026-06-01T12:00:00.000Z");
  equal(read.nextUpdate?.toISOString(), "2026-06-08T12:00:00.000Z");
  equal(read.authorityKeyIdentifier?.keyIdentifier, parseCertificate(ca.pem).subjectKeyIdentifier);
  deepEqual(read.revoked.map(({ serial, reason }) => [serial, reason]), [
    ["7f", undefined],
    ["80", "keyCompromise"],
    ["4fffffffffffffffffffffffffffffffffffffff", "certificateHold"],
  ]);
  equal(read.revoked[1]?.invalidityDate?.toISOString(), "2026-05-01T00:00:00.000Z");
  // A list that was read is a list that can be written again.
  deepEqual(parseCrl((await crl({ number: 300n, revoked: read.revoked })).der).tbs, read.tbs);
});

Deno.test("createCrl() takes a revocation in the future for one that holds now", async () => {
  const { der } = await crl({ revoked: [{ serial: "1", date: new Date(NOW.valueOf() + 60_000) }] });
  deepEqual(parseCrl(der).revoked[0]?.date, NOW);
});

Deno.test("createCrl() leaves an empty list out", async () => {
  const { pem } = await crl();
  match(text(pem), /No Revoked Certificates/);
  deepEqual(parseCrl(pem).revoked, []);
});

Deno.test("createCrl() writes every reason as OpenSSL names it", async () => {
  const names: Readonly<Record<string, string>> = {
    keyCompromise: "Key Compromise",
    cACompromise: "CA Compromise",
    affiliationChanged: "Affiliation Changed",
    superseded: "Superseded",
    cessationOfOperation: "Cessation Of Operation",
    certificateHold: "Certificate Hold",
    removeFromCRL: "Remove From CRL",
    privilegeWithdrawn: "Privilege Withdrawn",
    aACompromise: "AA Compromise",
  };
  for (const [reason, name] of Object.entries(names)) {
    const { pem } = await crl({
      number: 2,
      baseNumber: 1,
      revoked: [{ serial: "1", date, reason: reason as RevocationReason }],
    });
    match(text(pem), new RegExp(`CRL entry extensions:\\s+X509v3 CRL Reason Code:\\s+${name}\\s`));
  }
  const { pem } = await crl({ revoked: [{ serial: "1", date, reason: "unspecified" }] });
  equal(text(pem).includes("Reason Code"), false);
});

Deno.test("createCrl() writes a delta, its base critical", async () => {
  const { pem } = await crl({ number: 12, baseNumber: 10, revoked: [{ serial: "1", date, reason: "removeFromCRL" }] });
  match(text(pem), /X509v3 Delta CRL Indicator: critical\s+10\s/);
  equal(parseCrl(pem).baseNumber, 10n);
});

Deno.test("createCrl() writes a scope, critical", async () => {
  const uris = ["http://crl.internal/a.crl"];
  const { pem } = await crl({ scope: { uris, only: "user", reasons: ["keyCompromise", "aACompromise"] } });
  match(
    text(pem),
    /Issuing Distribution Point: critical\s+Full Name:\s+URI:http:\/\/crl.internal\/a.crl\s+Only User Certificates\s+Only Some Reasons:\s+Key Compromise, AA Compromise/,
  );
  match(text((await crl({ scope: { only: "ca" } })).pem), /Only CA Certificates/);
  const deltas = await crl({ deltaUris: ["http://crl.internal/d.crl"] });
  match(text(deltas.pem), /Freshest CRL:\s+Full Name:\s+URI:http:\/\/crl.internal\/d.crl/);
});

Deno.test("createCrl() names the issuer of an entry when it changes, and when it changes back", async () => {
  const { pem } = await crl({
    scope: { indirect: true },
    revoked: [
      { serial: "1", date },
      { serial: "1", date, issuer: other },
      { serial: "2", date, issuer: other },
      { serial: "2", date },
      { serial: "3", date, issuer: signer },
    ],
  });
  equal(text(pem).match(/Certificate Issuer: critical/g)?.length, 2);
  deepEqual(parseCrl(pem).revoked.map((entry) => `${entry.serial} ${entry.issuer.commonName}`), [
    "01 Helyos Service CA",
    "01 Other CA",
    "02 Other CA",
    "02 Helyos Service CA",
    "03 Helyos Service CA",
  ]);
});

Deno.test("createCrl() writes a list of 200,000 entries", async () => {
  const revoked = Array.from({ length: 200_000 }, (_, i) => ({ serial: (i + 1).toString(16), date }));
  equal(parseCrl((await crl({ revoked })).der).revoked.length, 200_000);
});

Deno.test("revoke() refuses a serial that is not hex", () => {
  throws(() => revoke([], { serial: "0x12" }), SyntaxError);
});

Deno.test("revoke() keeps the first reason for good, but for a certificate on hold", () => {
  const held = revoke([], { serial: "0A" }, { reason: "certificateHold", date });
  const later = revoke(held, { serial: "a" }, { reason: "keyCompromise", date: NOW });
  deepEqual(later, [{ serial: "0a", date: NOW, reason: "keyCompromise" }]);
  deepEqual(revoke(later, { serial: "a" }, { reason: "superseded" }), later);
  deepEqual(held, [{ serial: "0a", date, reason: "certificateHold" }]);
});

Deno.test("revoke() tells certificates of one number and two issuers apart", () => {
  const two = revoke(revoke([], { serial: "1", issuer: signer }), { serial: "1", issuer: other });
  equal(two.length, 2);
  equal(revoke(two, { serial: "1", issuer: signer }).length, 2);
});

Deno.test("revoke() counts by number, so another signature over the same certificate is revoked too", async () => {
  const own = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer,
    profile: "client",
    publicKey: own.publicKey,
    commonName: "x",
    now: NOW,
  });
  const certificate = parseCertificate(leaf.pem);
  const { der } = await crl({ revoked: revoke([], certificate, { reason: "keyCompromise", date }) });
  equal(parseCrl(der).revoked[0]?.serial, leaf.serial);
  await rejects(() => crl({ revoked: revoke([], { serial: "1", issuer: other }) }), { code: "invalid_crl" });
});
