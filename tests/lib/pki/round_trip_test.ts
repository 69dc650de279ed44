import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import { createCrl, type CrlOptions, lint, parseCertificate, revoke, verifyChain } from "@helyos/pki";
import { DerReader, integerOf, Tag } from "../../../lib/pki/der.ts";
import { bitString, integer, objectIdentifier, sequence } from "../../../lib/pki/encode.ts";
import { ALGORITHMS, authority, identity, LEAVES } from "./support/material.ts";

for (const algorithm of ALGORITHMS) {
  Deno.test(`verifyChain() accepts what issueCertificate() makes with ${algorithm}, for its purposes alone`, async () => {
    const ca = await authority(algorithm, { dns: ["internal", "localhost"], ip: ["127.0.0.0/8", "::1"] });
    for (const profile of LEAVES) {
      for (const own of ALGORITHMS) {
        const leaf = await identity(ca, profile, { algorithm: own });
        for (const purpose of ["server", "client"] as const) {
          const name = { dns: "bücher.internal" };
          const at = new Date();
          const verdict = await verifyChain(leaf.certificate, [ca.intermediate.pem], [ca.root.pem], {
            at,
            name,
            purpose,
          });
          equal(verdict.ok, profile === purpose || profile === "peer", `${profile} ${own} as ${purpose}`);
        }
      }
    }
  });

  Deno.test(`verifyChain() refuses what createCrl() revoked with ${algorithm}`, async () => {
    const ca = await authority(algorithm);
    const leaf = await identity(ca, "server");
    const nextUpdate = new Date(Date.now() + 86_400_000);
    const list = (revoked: CrlOptions["revoked"]) =>
      createCrl({
        issuer: { certificate: ca.intermediate.pem, key: ca.intermediateKey },
        number: 1,
        revoked,
        nextUpdate,
      });
    const roots = await createCrl({
      issuer: { certificate: ca.root.pem, key: ca.rootKey },
      number: 1,
      revoked: [],
      nextUpdate,
    });
    const check = async (crl: { pem: string }) => {
      const options = { at: new Date(), purpose: "server" as const, crls: [crl.pem, roots.pem] };
      return (await verifyChain(leaf.certificate, [ca.intermediate.pem], [ca.root.pem], options)).ok;
    };
    equal(await check(await list([])), true);
    const revoked = revoke([], parseCertificate(leaf.certificate), { reason: "keyCompromise" });
    equal(await check(await list(revoked)), false);
  });

  Deno.test(`lint() finds nothing in what we make with ${algorithm}`, async () => {
    const ca = await authority(algorithm, { dns: ["internal", "localhost"], ip: ["127.0.0.0/8", "::1"] });
    deepEqual(lint(ca.root.pem, { profile: "root" }), []);
    deepEqual(lint(ca.intermediate.pem, { profile: "intermediate" }), []);
    for (const profile of LEAVES) {
      for (const own of ALGORITHMS) {
        deepEqual(lint((await identity(ca, profile, { algorithm: own })).certificate, { profile }), []);
      }
    }
  });
}

Deno.test("verifyChain() refuses a revoked certificate under another sound signature of its issuer's", async () => {
  const ca = await authority("ec-p256");
  const { certificate } = await identity(ca, "server");
  const { der, tbs, signature } = parseCertificate(certificate);
  // Whoever has (r, s) has (r, n - s), which verifies as well: other bytes, another fingerprint, the same certificate.
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const reader = new DerReader(signature.bytes).enter(Tag.SEQUENCE, "signature");
  const [r, s] = [integerOf(reader.next(), "r"), integerOf(reader.next(), "s")];
  const algorithm = sequence(objectIdentifier("1.2.840.10045.4.3.2"));
  const twin = sequence(tbs, algorithm, bitString(sequence(integer(r), integer(n - s))));
  notDeepEqual(twin, der);
  const check = (of: Uint8Array, crls: readonly string[]) =>
    verifyChain(of, [ca.intermediate.pem], [ca.root.pem], { at: new Date(), crls, revocation: "if-present" });
  equal((await check(twin, [])).ok, true);
  const { pem } = await createCrl({
    issuer: { certificate: ca.intermediate.pem, key: ca.intermediateKey },
    number: 1,
    revoked: revoke([], parseCertificate(twin), { reason: "keyCompromise" }),
    nextUpdate: new Date(Date.now() + 86_400_000),
  });
  for (const  of of[der, twin]) {
    const verdict = await check(of, [pem]);
    equal(verdict.ok || verdict.rule, "revoked");
  }
});
