/**
 * What an operator chooses of certificates by ACME: chain, kind of key, and the account.
 */
import { equal, match, ok } from "node:assert/strict";
import { parseCertificate, parseCertificates } from "@helyos/pki";
import { readCertificate } from "../../../daemon/certificates/certificates.ts";
import { createRoute } from "../../../daemon/routes/routes.ts";
import { type Pebble, startPebble } from "../../support/pebble.ts";
import { lacking } from "../../support/tools.ts";
import { type Bench, type BenchOptions, BY, one, startBench, until } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");
const domain = "choice.example.com";

/** The chain that a fresh daemon gets and serves. */
async function obtain(options: BenchOptions & { readonly pebble: Pebble }, look?: (bench: Bench) => void) {
  await using bench = await startBench(options);
  await createRoute(bench.deps, { domain, project: "p", deployment: "d", tls_mode: "auto" }, BY);
  await bench.edge.keeper.settled();
  await until(async () => (await one(bench)).state === "served", bench.log.join("\n"));
  look?.(bench);
  return parseCertificates((await readCertificate(bench.deps, domain)).chain_pem!);
}

Deno.test({
  name: "the preferred chain is served where the CA has it, else the CA's own with a warning",
  ignore,
  async fn() {
    await using pebble = await startPebble({ env: { PEBBLE_ALTERNATE_ROOTS: "2", PEBBLE_CHAIN_LENGTH: "2" } });
    const roots = await Promise.all([0, 1, 2].map((index) => pebble.root(index)));
    for (const root of roots) {
      const preferredChain = parseCertificate(root).subject.commonName!;
      const chain = await obtain(
        { pebble, settings: { preferredChain } },
        ({ log }) => ok(!log.some((line) => line.includes("has no chain"))),
      );
      ok(chain.length >= 2);
      equal(chain.at(-1)!.issuer.commonName, preferredChain);
    }
    await obtain(
      { pebble, settings: { preferredChain: "Nobody" } },
      ({ log }) => match(log.join("\n"), /the CA has no chain of "Nobody" for choice.example.com.*Pebble Root CA/),
    );
  },
});

Deno.test({
  name: "the key of a certificate is of the kind that was chosen",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    for (const [keyType, bits] of [[undefined, 91], ["ec-p384", 120], ["rsa-2048", 294]] as const) {
      const [leaf] = await obtain({ pebble, settings: keyType === undefined ? {} : { keyType } });
      equal(leaf!.spki.length, bits, keyType ?? "EC P-256");
    }
  },
});
