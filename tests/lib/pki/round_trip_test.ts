import { deepEqual, equal } from "node:assert/strict";
import { createCrl, type CrlOptions, lint, parseCertificate, revoke, verifyChain } from "@helyos/pki";
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
