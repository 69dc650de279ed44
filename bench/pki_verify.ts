// deno-lint-ignore-file no-console
/**
 * Reading and verifying certificates, against the platform's own `X509Certificate`.
 *
 * Run with `deno run --allow-env bench/pki_verify.ts`. Each line gives a ratio to what was measured in the same run: above 1
 * is faster than the platform. The limit of a verification is the platform's own signature verification.
 *
 * @module
 */
import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { parseCertificate } from "../lib/pki/certificate.ts";
import { verifyChain } from "../lib/pki/verify/verify_chain.ts";
import { AT, ca, certificate, type TestCertificate, testKey, type TestKeyKind } from "../tests/support/pki_builder.ts";

/** The median time of one call, in microseconds. */
async function time(run: () => unknown, budgetMs = 600): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < 20; i++) await run();
  const end = performance.now() + budgetMs;
  while (performance.now() < end) {
    const start = performance.now();
    for (let i = 0; i < 10; i++) await run();
    samples.push((performance.now() - start) / 10);
  }
  return samples.sort((a, b) => a - b)[samples.length >> 1]! * 1000;
}

function line(what: string, ours: number, theirs?: readonly [name: string, time: number]): void {
  const ratio = theirs === undefined
    ? ""
    : `  ${(theirs[1] / ours).toFixed(2)} × ${theirs[0]} (${theirs[1].toFixed(1)} µs)`;
  console.log(`${what.padEnd(58)} ${ours.toFixed(1).padStart(9)} µs${ratio}`);
}

interface Chain {
  readonly leaf: Uint8Array;
  readonly middle: Uint8Array;
  readonly root: Uint8Array;
}

function chainOf(kind: TestKeyKind): Chain {
  const [top, between, own] = [testKey(kind), testKey(kind), testKey(kind)];
  const leaf: TestCertificate = {
    subject: [["2.5.4.10", "Helyos"], ["2.5.4.3", "db.internal"]],
    issuer: "Middle",
    key: own,
    signer: between,
    ca: false,
    names: ["dns:db.internal", "dns:db", "ip:10.0.0.1"],
    usage: ["digitalSignature"],
    purposes: ["1.3.6.1.5.5.7.3.1"],
  };
  return {
    root: ca({ subject: "Root", key: top }),
    middle: ca({ subject: "Middle", issuer: "Root", key: between, signer: top }),
    leaf: certificate(leaf),
  };
}

const platformFields = (der: Uint8Array): unknown[] => {
  const { subject, issuer, validFrom, validTo, subjectAltName, ca, serialNumber } = new X509Certificate(der);
  return [subject, issuer, validFrom, validTo, subjectAltName, ca, serialNumber];
};

/** What people write by hand with the platform: signatures, names, dates; no constraints, policies, purposes, CRLs. */
function platformChain({ leaf, middle, root }: Chain): boolean {
  const [a, b, c] = [leaf, middle, root].map((der) => new X509Certificate(der)) as [
    X509Certificate,
    X509Certificate,
    X509Certificate,
  ];
  const current = [a, b, c].every((one) => new Date(one.validFrom) <= AT && new Date(one.validTo) >= AT);
  return current && a.checkHost("db.internal") !== undefined && a.checkIssued(b) && a.verify(b.publicKey) &&
    b.checkIssued(c) && b.verify(c.publicKey);
}

const options = { at: AT, name: { dns: "db.internal" }, purpose: "server" } as const;
const fixed = chainOf("p256");
const parsed = await time(() => parseCertificate(fixed.leaf));
line("parse a leaf, everything in it", parsed, [
  "X509Certificate, seven fields",
  await time(() => platformFields(fixed.leaf)),
]);

for (const kind of ["p256", "ed25519", "rsa"] as const) {
  // A new chain each time, so that nothing is remembered of its signatures.
  const fresh = Array.from({ length: kind === "rsa" ? 12 : 300 }, () => chainOf(kind));

  const each = async (run: (chain: Chain) => unknown): Promise<number> => {
    const times: number[] = [];
    for (const chain of fresh) {
      const start = performance.now();
      await run(chain);
      times.push(performance.now() - start);
    }

    return times.sort((a, b) => a - b)[times.length >> 1]! * 1000;
  };
  const theirs = await each(platformChain);
  const ours = await each(async ({ leaf, middle, root }) => {
    if (!(await verifyChain(leaf, [middle], [root], options)).ok) throw new Error("a sound chain was refused");
  });
  line(`verify a chain of three, ${kind}, never seen`, ours, ["X509Certificate", theirs]);
  const [{ leaf, middle, root }] = fresh as [Chain];
  line(`verify a chain of three, ${kind}, seen before`, await time(() => verifyChain(leaf, [middle], [root], options)));
}

const key = testKey("p256");
const data = new Uint8Array(500);
const signature = key.sign(data);
const publicKey = createPublicKey({ key: key.spki as never, format: "der", type: "spki" });
line("the limit: one P-256 signature by the platform", await time(() => verify("sha256", data, publicKey, signature)));

console.log("\nHostile heaps of certificates, never seen, each ends in a refusal:");
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const [rootKey, other, own] = [testKey("p256"), testKey("p256"), testKey("p256")];
const anchor = ca({ subject: "Root", key: rootKey });

async function hostile(what: string, run: () => Promise<{ ok: boolean }>): Promise<void> {
  const start = performance.now();
  const result = await run();
  console.log(
    `${what.padEnd(58)} ${(performance.now() - start).toFixed(1).padStart(9)} ms${result.ok ? "  ACCEPTED" : ""}`,
  );
}

const circleKeys = range(100).map(() => testKey("p256"));
const circle = circleKeys.map((of, i) =>
  ca({ subject: `C${i}`, issuer: `C${(i + 1) % 100}`, key: of, signer: circleKeys[(i + 1) % 100]! })
);
const inCircle = certificate({ subject: "leaf", issuer: "C0", key: own, signer: circleKeys[0]! });
await hostile("a circle of a hundred CAs", () => verifyChain(inCircle, circle, [anchor], { at: AT }));

const crowdKey = testKey("p256");
const crowd = range(100).map(() => ca({ subject: "Crowd", issuer: "Crowd", key: crowdKey }));
const inCrowd = certificate({ subject: "leaf", issuer: "Crowd", key: own, signer: crowdKey });
const crowdAnchor = ca({ subject: "Crowd", key: rootKey });
await hostile("a hundred CAs of one name and key", () => verifyChain(inCrowd, crowd, [crowdAnchor], { at: AT }));

const twins = range(100).map(() =>
  ca({ subject: "Twin", issuer: "Root", key: testKey("p256"), signer: other, keyIds: false })
);
const ofTwins = certificate({ subject: "leaf", issuer: "Twin", key: own, signer: other, keyIds: false });
await hostile("a hundred CAs of one name and as many keys", () => verifyChain(ofTwins, twins, [anchor], { at: AT }));

const narrow = ca({
  subject: "Root",
  key: rootKey,
  permitted: range(2500).map((i) => `dns:p${i}.test`),
  excluded: range(2500).map((i) => `dns:x${i}.test`),
});
const many = certificate({
  issuer: "Root",
  subject: "leaf",
  key: own,
  signer: rootKey,
  names: range(2500).map((i) => `dns:a.p${i}.test`),
});
await hostile("5,000 name constraints and 2,500 names", () => verifyChain(many, [], [narrow], { at: AT }));
