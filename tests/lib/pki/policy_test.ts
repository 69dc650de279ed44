import { deepEqual } from "node:assert/strict";
import type { PolicyInputs } from "../../../lib/pki/verify/policy.ts";
import { verifyChain } from "../../../lib/pki/verify/verify_chain.ts";
import { AT, ca, certificate, type TestCertificate, testKey } from "../../support/pki_builder.ts";

const [A, B, C, ANY] = ["1.2.3.1", "1.2.3.2", "1.2.3.3", "2.5.29.32.0"] as const;
const keys = Array.from({ length: 6 }, () => testKey());
const ROOT = ca({ subject: "C0", key: keys[0]! });

/** Judges a path from certificates that differ in their policies alone; the last is the leaf. */
async function judge(chain: readonly Partial<TestCertificate>[], policies: PolicyInputs = {}): Promise<boolean> {
  const last = chain.length;
  const issued = chain.map((change, i) =>
    certificate({
      subject: `C${i + 1}`,
      issuer: `C${i}`,
      key: keys[i + 1]!,
      signer: keys[i]!,
      ...(i + 1 < last ? { ca: true, usage: ["keyCertSign"] } : {}),
      ...change,
    })
  );
  const result = await verifyChain(issued[last - 1]!, issued.slice(0, -1), [ROOT], { at: AT, policies });
  return result.ok;
}

const explicit = { requireExplicitPolicy: true };

Deno.test("verifyChain() asks for policies when it is told to, or a CA says so", async () => {
  deepEqual({
    nobodyAsks: await judge([{ policies: [A] }, {}]),
    callerAsks: await judge([{ policies: [A] }, {}], explicit),
    callerGets: await judge([{ policies: [A] }, { policies: [A] }], explicit),
    callerGetsOther: await judge([{ policies: [A] }, { policies: [B] }], explicit),
    callerWantsOther: await judge([{ policies: [A] }, { policies: [A] }], { ...explicit, initialPolicySet: [B] }),
    callerWantsEither: await judge([{ policies: [A] }, { policies: [A] }], { ...explicit, initialPolicySet: [B, A] }),
    caAsks: await judge([{ policies: [A], requireExplicitPolicy: 0 }, {}]),
    caAsksLater: await judge([{ policies: [A], requireExplicitPolicy: 2 }, {}]),
    leafAsks: await judge([{ policies: [A] }, { requireExplicitPolicy: 0 }]),
  }, {
    nobodyAsks: true,
    callerAsks: false,
    callerGets: true,
    callerGetsOther: false,
    callerWantsOther: false,
    callerWantsEither: true,
    caAsks: false,
    caAsksLater: true,
    leafAsks: false,
  });
});

Deno.test("verifyChain() takes anyPolicy for any, unless it is inhibited", async () => {
  const want = { ...explicit, initialPolicySet: [A] };
  deepEqual({
    above: await judge([{ policies: [ANY] }, { policies: [A] }], want),
    below: await judge([{ policies: [A] }, { policies: [ANY] }], want),
    both: await judge([{ policies: [ANY] }, { policies: [ANY] }], want),
    belowOther: await judge([{ policies: [B] }, { policies: [ANY] }], want),
    callerInhibits: await judge([{ policies: [A] }, { policies: [ANY] }], { ...want, inhibitAnyPolicy: true }),
    caInhibits: await judge([{ policies: [A], inhibitAnyPolicy: 0 }, { policies: [ANY] }], want),
    caInhibitsLater: await judge([{ policies: [A], inhibitAnyPolicy: 1 }, { policies: [ANY] }], want),
    selfIssued: await judge([
      { policies: [A], inhibitAnyPolicy: 0 },
      { subject: "C1", issuer: "C1", policies: [ANY] },
      { issuer: "C1", policies: [A] },
    ], want),
  }, {
    above: true,
    below: true,
    both: true,
    belowOther: false,
    callerInhibits: false,
    caInhibits: false,
    caInhibitsLater: true,
    selfIssued: true,
  });
});

Deno.test("verifyChain() follows mappings, unless they are inhibited", async () => {
  const want = { ...explicit, initialPolicySet: [A] };
  const mapping = { policies: [A], mappings: [[A, B]] } as const;
  deepEqual({
    mapped: await judge([mapping, { policies: [B] }], want),
    unmapped: await judge([mapping, { policies: [A] }], want),
    wantsTarget: await judge([mapping, { policies: [B] }], { ...explicit, initialPolicySet: [B] }),
    twice: await judge([mapping, { policies: [B], mappings: [[B, C]] }, { policies: [C] }], want),
    toTwo: await judge([{ policies: [A], mappings: [[A, B], [A, C]] }, { policies: [C] }], want),
    throughAny: await judge([{ policies: [ANY], mappings: [[A, B]] }, { policies: [B] }], want),
    callerInhibits: await judge([mapping, { policies: [B] }], { ...want, inhibitPolicyMapping: true }),
    caInhibits: await judge([{ policies: [A], inhibitPolicyMapping: 0 }, mapping, { policies: [B] }], want),
    toAny: await judge([{ policies: [A], mappings: [[A, ANY]] }, { policies: [B] }]),
    fromAny: await judge([{ policies: [A], mappings: [[ANY, A]] }, { policies: [A] }]),
  }, {
    mapped: true,
    unmapped: false,
    wantsTarget: false,
    twice: true,
    toTwo: true,
    throughAny: true,
    callerInhibits: false,
    caInhibits: false,
    toAny: false,
    fromAny: false,
  });
});
