import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { addressOctets } from "../../../lib/pki/general_name.ts";
import { verifyChain } from "../../../lib/pki/verify/verify_chain.ts";
import { lacking, tool } from "../../support/tools.ts";
import { base64 } from "../../support/vectors.ts";

interface Suite {
  readonly testCases: readonly {
    readonly id: number;
    readonly certificates: readonly string[];
    readonly hostname: string;
    readonly expected: "ACCEPT" | "REJECT";
  }[];
}

// Netflix's suite of path building and name constraints: some 9,500 chains, made anew by each run.
Deno.test({
  name: "verifyChain() gives every verdict of BetterTLS",
  ignore: lacking("bettertls"),
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const file = join(folder, "tests.json");
      const made = await new Deno.Command(tool("bettertls"), { args: ["export-tests", "--out", file] }).output();
      if (!made.success) throw new Error(new TextDecoder().decode(made.stderr));
      const { trustRoot, suites } = JSON.parse(await Deno.readTextFile(file)) as {
        trustRoot: string;
        suites: Record<string, Suite>;
      };
      const roots = [base64(trustRoot)];
      const wrong: string[] = [];
      for (const [name, { testCases }] of Object.entries(suites)) {
        for (const { id, certificates, hostname, expected } of testCases) {
          const [leaf, ...others] = certificates.map(base64);
          const wanted = addressOctets(hostname) === undefined ? { dns: hostname } : { ip: hostname };
          const result = await verifyChain(leaf!, others, roots, { purpose: "server", name: wanted });
          if (result.ok !== (expected === "ACCEPT")) wrong.push(`${name} ${id}`);
        }
      }
      deepEqual(wrong, []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
