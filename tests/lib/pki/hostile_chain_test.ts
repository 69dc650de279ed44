import { equal, ok } from "node:assert/strict";
import { constructed, extension, objectIdentifier, octetString, utf8String } from "../../../lib/pki/encode.ts";
import { ExtensionId } from "../../../lib/pki/oid.ts";
import type { VerifyResult } from "../../../lib/pki/verify/result.ts";
import { verifyChain } from "../../../lib/pki/verify/verify_chain.ts";
import { AT, ca, certificate, crl, testKey } from "../../support/pki_builder.ts";

const root = testKey("p256");
const other = testKey("p256");
const own = testKey();
const ROOT = ca({ subject: "Root", key: root });

/** What a verification without a budget would not reach in hours, and one with it does in milliseconds. */
const HANGS_MS = 30_000;

/** Runs a verification, which must end: how soon is for `bench/pki_verify.ts` to say, on a machine with nothing else to do. */
async function soon(run: () => Promise<VerifyResult>): Promise<string> {
  const start = performance.now();
  const result = await run();
  const took = performance.now() - start;
  ok(took < HANGS_MS, `it took ${took} ms`);
  return result.ok ? "ok" : result.rule;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

Deno.test("verifyChain() leaves circles", async () => {
  const [a, b] = [testKey("p256"), testKey("p256")];
  const circle = [
    ca({ subject: "A", issuer: "B", key: a, signer: b }),
    ca({ subject: "B", issuer: "A", key: b, signer: a }),
    ca({ subject: "A", issuer: "A", key: a }),
    ca({ subject: "A", issuer: "Root", key: a, signer: other }),
  ];
  const leaf = certificate({ subject: "leaf", issuer: "A", key: own, signer: a });
  equal(await soon(() => verifyChain(leaf, circle, [ROOT], { at: AT })), "signature");
  equal(await soon(() => verifyChain(leaf, circle.slice(0, 3), [ROOT], { at: AT })), "issuer");
});

Deno.test("verifyChain() is not held up by a hundred CAs of one name and key", async () => {
  const key = testKey("p256");
  const crowd = range(100).flatMap(() => [
    ca({ subject: "Crowd", issuer: "Crowd", key }),
    ca({ subject: "Crowd", issuer: "Root", key, signer: other }),
  ]);
  const leaf = certificate({ subject: "leaf", issuer: "Crowd", key: own, signer: key });
  ok(["signature", "budget"].includes(await soon(() => verifyChain(leaf, crowd, [ROOT], { at: AT }))));
  const good = ca({ subject: "Crowd", issuer: "Root", key, signer: root });
  equal(await soon(() => verifyChain(leaf, [...crowd, good], [ROOT], { at: AT })), "ok");
});

Deno.test("verifyChain() is not held up by a hundred CAs of one name and as many keys", async () => {
  const keys = range(100).map(() => testKey());
  const crowd = keys.flatMap((key, i) => [
    ca({ subject: "Crowd", issuer: "Crowd", key, signer: keys[(i + 1) % 100]!, keyIds: false }),
    ca({ subject: "Crowd", issuer: "Crowd", key, signer: keys[(i + 7) % 100]!, keyIds: false }),
    ca({ subject: "Crowd", issuer: "Root", key, signer: other, keyIds: false }),
  ]);
  const leaf = certificate({ subject: "leaf", issuer: "Crowd", key: own, signer: keys[0]!, keyIds: false });
  equal(await soon(() => verifyChain(leaf, crowd, [ROOT], { at: AT })), "budget");
});

Deno.test("verifyChain() is not held up by a lattice of sound CAs that leads to a refusal", async () => {
  // Ten layers of three keys with each other's signatures: 59,049 sound paths, each of them refused at the top.
  const layers = range(10).map(() => [testKey(), testKey(), testKey()]);
  const lattice = layers.flatMap((keys, depth) =>
    keys.flatMap((key) =>
      depth === 0
        ? [ca({ subject: "L0", issuer: "Root", key, signer: root, requireExplicitPolicy: 0 })]
        : layers[depth - 1]!.map((signer) => ca({ subject: `L${depth}`, issuer: `L${depth - 1}`, key, signer }))
    )
  );
  const leaf = certificate({ subject: "leaf", issuer: "L9", key: own, signer: layers[9]![0]! });
  const rule = await soon(() => verifyChain(leaf, lattice, [ROOT], { at: AT }));
  ok(rule === "budget" || rule === "policy", rule);
  const dead = await soon(() => verifyChain(leaf, lattice, [ca({ subject: "Root", key: other })], { at: AT }));
  ok(dead === "budget" || dead === "signature", dead);
});

Deno.test("verifyChain() is not held up by thousands of name constraints and names", async () => {
  const judged = async (constraints: number, names: number): Promise<string> => {
    const anchor = ca({
      subject: "Root",
      key: root,
      permitted: range(constraints).flatMap((i) => [`dns:p${i}.test`, `ip:10.${i >> 8 & 255}.${i & 255}.0/24`]),
      excluded: range(constraints).flatMap((
        i,
      ) => [`dns:x${i}.test`, `email:x${i}.test`, `uri:x${i}.test`, `dir:x${i}`]),
    });
    const leaf = certificate({
      subject: "leaf",
      issuer: "Root",
      key: own,
      signer: root,
      names: range(names).flatMap((i) => [`dns:a.p${i % constraints}.test`, `uri:https://u${i}.test/`, `dir:d${i}`]),
    });
    return await soon(() => verifyChain(leaf, [], [anchor], { at: AT }));
  };
  equal(await judged(150, 350), "ok");
  equal(await judged(5000, 5), "ok");
  equal(await judged(2000, 2000), "budget");
});

Deno.test("verifyChain() is not held up by policy mappings that double at every step", async () => {
  const policies = range(2).map((i) => `1.3.6.1.4.1.99999.${i}`);
  const keys = range(40).map(() => testKey());
  const chain = keys.map((key, i) =>
    ca({
      subject: `P${i}`,
      issuer: i === 0 ? "Root" : `P${i - 1}`,
      key,
      signer: i === 0 ? root : keys[i - 1]!,
      policies,
      mappings: policies.flatMap((one) => policies.map((two) => [one, two] as const)),
    })
  );
  const leaf = certificate({ subject: "leaf", issuer: "P39", key: own, signer: keys[39]!, policies });
  const options = { at: AT, policies: { requireExplicitPolicy: true, initialPolicySet: [policies[0]!] } };
  equal(await soon(() => verifyChain(leaf, chain, [ROOT], options)), "ok");
});

Deno.test("verifyChain() is not held up by heaps of policies", async () => {
  const policies = range(1200).map((i) => `1.3.6.1.4.1.99999.${i}`);
  const mappings = policies.map((policy, i) => [policy, policies[(i * 7 + 1) % 1200]!] as const);
  const keys = range(10).map(() => testKey());
  const chain = keys.map((key, i) => {
    const signer = i === 0 ? root : keys[i - 1]!;
    return ca({ subject: `P${i}`, issuer: i === 0 ? "Root" : `P${i - 1}`, key, signer, policies, mappings });
  });
  const leaf = certificate({ subject: "leaf", issuer: "P9", key: own, signer: keys[9]!, policies });
  equal(await soon(() => verifyChain(leaf, chain, [ROOT], { at: AT })), "budget");
});

Deno.test("verifyChain() is not held up by CRL signers that vouch for each other", async () => {
  const signers = range(30).map(() => testKey());
  const certificates = signers.map((key, i) =>
    ca({ subject: "Root", issuer: "Root", key, signer: signers[(i + 1) % 30]! })
  );
  const leaf = certificate({ subject: "leaf", issuer: "Root", key: own, signer: root });
  const crls = signers.map((signer) => crl({ issuer: "Root", signer }));
  ok(["revocation", "budget"].includes(await soon(() => verifyChain(leaf, certificates, [ROOT], { at: AT, crls }))));
});

Deno.test("verifyChain() reads large and deep certificates without harm", async () => {
  const big = extension(ExtensionId.subjectKeyIdentifier, octetString(new Uint8Array(2_000_000)));
  const leaf = certificate({
    subject: "leaf",
    issuer: "Root",
    key: own,
    signer: root,
    keyIds: false,
    extensions: [big],
  });
  equal(await soon(() => verifyChain(leaf, [], [ROOT], { at: AT })), "ok");
  const deep = new Uint8Array(100_000).fill(0x30).map((octet, i) => i % 2 === 0 ? octet : 0x80);
  equal(await soon(() => verifyChain(deep, [], [ROOT], { at: AT })), "parse");
});

Deno.test("verifyChain() is not held up by endless names", async () => {
  const spaces = `a${" ".repeat(500_000)}b`;
  const parts = range(20_000).map((i) => ["2.5.4.11", `unit ${i}`] as const);
  const key = testKey();
  const anchor = ca({ subject: parts, key, excluded: range(200).map((i) => `dir:x${i}`) });
  for (const issuer of [parts, [["2.5.4.3", spaces] as const]]) {
    const leaf = certificate({ subject: parts, issuer, key: own, signer: key });
    ok(["ok", "issuer"].includes(await soon(() => verifyChain(leaf, [], [anchor], { at: AT }))));
  }
});

Deno.test("verifyChain() is not held up by marks on a letter, which take the square of their number to sort", async () => {
  const marks = "a" + "\u0301\u0323".repeat(200_000);
  const key = testKey();
  const anchor = ca({ subject: marks, key });
  const leaf = certificate({
    subject: "leaf",
    issuer: marks,
    key: own,
    signer: key,
    names: [mailbox(`a@${marks}.com`)],
  });
  equal(await soon(() => verifyChain(leaf, [], [anchor], { at: AT })), "ok");
  const held = ca({ subject: "Root", key: root, permitted: ["email:example.com"] });
  const under = certificate({
    subject: "leaf",
    issuer: "Root",
    key: own,
    signer: root,
    names: [mailbox(`a@${marks}`)],
  });
  equal(await soon(() => verifyChain(under, [], [held], { at: AT })), "name_constraints");
});

/** An international mailbox (RFC 9598). */
function mailbox(text: string): Uint8Array {
  return constructed(0, objectIdentifier("1.3.6.1.5.5.7.8.9"), constructed(0, utf8String(text)));
}

Deno.test("verifyChain() is not held up by crowds of CRLs and distribution points", async () => {
  const leaf = certificate({
    subject: "leaf",
    issuer: "Root",
    key: own,
    signer: root,
    crlUris: range(5000).map((i) => `http://crl/${i}`),
  });
  const lists = range(150).flatMap((
    i,
  ) => [
    crl({ issuer: "Root", signer: other, number: i }),
    crl({ issuer: "Root", signer: other, number: i + 1, base: i }),
  ]);
  ok(["revocation", "budget"].includes(await soon(() => verifyChain(leaf, [], [ROOT], { at: AT, crls: lists }))));
});
