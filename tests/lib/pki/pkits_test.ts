import { deepEqual } from "node:assert/strict";
import { verifyChain } from "../../../lib/pki/verify/verify_chain.ts";
import { base64, readVectors } from "../../support/vectors.ts";

interface Run {
  id: string;
  title: string;
  expected: "accept" | "reject";
  at: string;
  trustAnchor: string;
  intermediates: string[];
  leaf: string;
  crls: string[];
  inputs?: Record<string, unknown>;
  tags: string[];
}

const vectors = readVectors("pkits.json");

Deno.test({
  name: "verifyChain() gives every verdict of PKITS but those that need DSA",
  ignore: vectors === undefined,
  async fn() {
    const certificate = (name: string): Uint8Array => base64(vectors.certs[name]);
    const falseAccepts: string[] = [];
    const falseRefusals: string[] = [];
    for (const run of vectors.tests as Run[]) {
      const result = await verifyChain(
        certificate(run.leaf),
        run.intermediates.map(certificate),
        [certificate(run.trustAnchor)],
        {
          at: new Date(run.at),
          crls: run.crls.map((name) => base64(vectors.crls[name])),
          ...(run.inputs === undefined ? {} : { policies: run.inputs }),
        },
      );
      if (result.ok && run.expected === "reject") falseAccepts.push(run.id);
      if (!result.ok && run.expected === "accept") falseRefusals.push(`${run.id} ${run.title}: ${result.rule}`);
    }
    deepEqual({ falseAccepts, falseRefusals, runs: vectors.tests.length }, {
      falseAccepts: [],
      falseRefusals: ["4.1.4 Valid DSA Signatures Test4: key", "4.1.5 Valid DSA Parameter Inheritance Test5: key"],
      runs: 249,
    });
  },
});
