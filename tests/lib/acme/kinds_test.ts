/**
 * Kinds of keys, names, chains and proofs, against real pebble.
 */
import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AcmeClient,
  obtainCertificate,
  type Solver,
  type TlsAlpnCertificate,
  type TlsAlpnSolver,
  tlsAlpnSolver,
} from "@helyos/acme";
import { generateKeyPair, inspect, type KeyAlgorithm, lint, parseCertificate, parseCertificates } from "@helyos/pki";
import { startPebble } from "../../support/pebble.ts";
import { temporaryFolder } from "../../support/process.ts";
import { lacking, tool } from "../../support/tools.ts";
import { registered, startBench } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");

Deno.test({
  name: "obtainCertificate() certifies EC P-256, EC P-384 and RSA keys, long names, U-labels and duplicates",
  ignore,
  async fn() {
    await using bench = await startBench();
    for (const algorithm of ["ec-p256", "ec-p384", "rsa-2048"] as const satisfies readonly KeyAlgorithm[]) {
      const key = await generateKeyPair(algorithm);
      const { chainPem } = await bench.obtain({ names: ["Keys.Example.com"], key });
      const leaf = parseCertificates(chainPem)[0]!;
      deepEqual(leaf.spki, new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey)), algorithm);
    }
    const long = `${"a".repeat(60)}.${"b".repeat(60)}.example.com`;
    const names = [long, "bücher.example", "BÜCHER.example", "xn--bcher-kva.example"];
    const { chainPem } = await bench.obtain({ names });
    const found = parseCertificates(chainPem)[0]!.names.map(({ value }) => value);
    deepEqual(found.toSorted(), [long, "xn--bcher-kva.example"]);
    for (
      const name of ["", "a b", "1.2.3", "-", "a..b", "*", "a.*.b", `${"x".repeat(64)}.example`, "[::1]", "fe80::1%e"]
    ) {
      await rejects(bench.obtain({ names: [name] }), TypeError, name);
    }
  },
});

Deno.test({
  name: "obtainCertificate() certifies IP addresses (RFC 8738), over HTTP-01",
  ignore,
  async fn() {
    await using bench = await startBench();
    const { chainPem } = await bench.obtain({ names: ["127.0.0.1", "localhost.example.com"] });
    const leaf = parseCertificates(chainPem)[0]!;
    deepEqual(leaf.names.map(({ kind, value }) => `${kind} ${value}`).toSorted(), [
      "dns localhost.example.com",
      "ip 127.0.0.1",
    ]);
  },
});

Deno.test({
  name: "obtainCertificate() chooses among the chains by the topmost issuer",
  ignore,
  async fn() {
    await using bench = await startBench({ env: { PEBBLE_ALTERNATE_ROOTS: "2", PEBBLE_CHAIN_LENGTH: "3" } });
    const roots = await Promise.all([0, 1, 2].map((i) => bench.pebble.root(i)));
    const chains = new Set<string>();
    const first = await bench.obtain();
    for (const root of roots) {
      const preferredIssuer = parseCertificate(root).subject.commonName!;
      const { chainPem } = await bench.obtain({ orderUrl: first.orderUrl, preferredIssuer });
      const chain = parseCertificates(chainPem);
      ok(chain.length >= 3, `${chain.length} certificates`);
      equal(chain.at(-1)!.issuer.commonName, preferredIssuer);
      deepEqual(chain[0]!.der, parseCertificates(first.chainPem)[0]!.der, "the same certificate");
      chains.add(chainPem);
    }
    equal(chains.size, 3);
    const { chainPem } = await bench.obtain({ orderUrl: first.orderUrl, preferredIssuer: "Nobody" });
    equal(chainPem, first.chainPem, "the default chain");
  },
});

/** Serves one answer with openssl: this runtime's own TLS takes no certificate with a critical extension it does not know. */
async function serveTlsAlpn(answer: TlsAlpnCertificate, port: number): Promise<AsyncDisposable> {
  const folder = await temporaryFolder();
  const [cert, key] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
  await Promise.all([writeFile(cert, answer.certPem), writeFile(key, answer.keyPem)]);
  const child = new Deno.Command(tool("openssl"), {
    args: ["s_server", "-accept", `127.0.0.1:${port}`, "-alpn", "acme-tls/1", "-cert", cert, "-key", key, "-quiet"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  while (!await connects(port)) await new Promise((resolve) => setTimeout(resolve, 10));
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.stdin.close().catch(() => {});
      await child.status;
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function connects(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/** The solver, its answers shown on pebble's TLS port, one at a time. */
function shownBy(solver: TlsAlpnSolver, port: number, forge = (keyAuthorization: string) => keyAuthorization): Solver {
  let server: AsyncDisposable | undefined;
  return {
    type: "tls-alpn-01",
    async present(answer, signal) {
      await solver.present({ ...answer, keyAuthorization: forge(answer.keyAuthorization) }, signal);
      const name = answer.name === "127.0.0.1" ? "1.0.0.127.in-addr.arpa" : answer.name;
      server = await serveTlsAlpn(solver.answer(name)!, port);
    },
    async cleanUp(answer) {
      await server?.[Symbol.asyncDispose]();
      await solver.cleanUp(answer);
    },
  };
}

async function obtainByTls(client: AcmeClient, solver: Solver, names: readonly string[]): Promise<string[]> {
  const key = await generateKeyPair();
  const { chainPem } = await obtainCertificate({ client, names, key, solvers: [solver] });
  return parseCertificates(chainPem)[0]!.names.map(({ value }) => value).toSorted();
}

Deno.test({
  name: "tlsAlpnSolver() proves names and addresses to pebble (RFC 8737, RFC 8738)",
  ignore: ignore || lacking("openssl"),
  async fn() {
    await using pebble = await startPebble();
    await using client = await registered(pebble);
    const solver = tlsAlpnSolver();
    const shown = shownBy(solver, pebble.tlsPort);
    deepEqual(await obtainByTls(client, shown, ["alpn.example.com"]), ["alpn.example.com"]);
    deepEqual(await obtainByTls(client, shown, ["127.0.0.1"]), ["127.0.0.1"]);
    equal(solver.answer("alpn.example.com"), undefined, "answers are taken away");
    await rejects(obtainByTls(client, shown, ["*.example.com"]), { code: "unsupported" });
    const forged = shownBy(solver, pebble.tlsPort, () => "something else");
    await rejects(obtainByTls(client, forged, ["wrong.example.com"]), { code: "challenge_failed" });
  },
});

Deno.test("tlsAlpnSolver() makes a self-signed certificate with a critical acmeIdentifier, found by name or address", async () => {
  const solver = tlsAlpnSolver();
  const answer = (name: string, token: string) => ({
    name,
    token,
    keyAuthorization: `${token}.thumb`,
    recordName: "",
    recordValue: "",
  });
  const signal = AbortSignal.timeout(10_000);
  await solver.present(answer("Name.example", "one"), signal);
  await solver.present(answer("name.example", "two"), signal);
  const shown = solver.answer("NAME.example")!;
  const certificate = parseCertificate(shown.certPem);
  const judge = new X509Certificate(shown.certPem);
  ok(judge.verify(judge.publicKey), "signed by itself");
  equal(judge.subjectAltName, "DNS:name.example");
  const extension = certificate.extensions.find(({ id }) => id === "1.3.6.1.5.5.7.1.31");
  equal(extension?.critical, true);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("two.thumb")));
  deepEqual(extension.value, Uint8Array.of(0x04, 32, ...digest), "the challenge that came last");
  ok(inspect(shown.certPem) && lint(shown.certPem));

  await solver.cleanUp(answer("name.example", "two"));
  notEqual(solver.answer("name.example")?.certPem, shown.certPem);
  await solver.cleanUp(answer("name.example", "one"));
  await solver.cleanUp(answer("name.example", "one"));
  equal(solver.answer("name.example"), undefined);
  for (const [address, name] of ADDRESSES) {
    await solver.present(answer(address, "ip"), signal);
    ok(solver.answer(name), `${address} as ${name}`);
    await solver.cleanUp(answer(address, "ip"));
  }
});

const ADDRESSES: readonly (readonly [string, string])[] = [
  ["192.0.2.1", "1.2.0.192.in-addr.arpa"],
  ["2001:db8::ff", `f.f.${"0.".repeat(22)}8.b.d.0.1.0.0.2.ip6.arpa`],
  ["::", `${"0.".repeat(32)}ip6.arpa`],
];
