/**
 * How fast @helyos/pki issues: a new P-256 key, its PEM, and a server certificate under a P-256 CA, beside what the platform
 * alone needs for the key and the signature (the limit), and beside @peculiar/x509 doing the same. One after the other in
 * turns, so that a busy machine is busy for all.
 */
import "npm:reflect-metadata@0.2.2";
import * as peculiar from "npm:@peculiar/x509@2.2.0";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate, pemEncode } from "@helyos/pki";

const ROUNDS = 12;
const TURN = 60;
const LEAST = 0.5;

const EC = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const DNS = ["db.internal", "db.lan", "localhost"];
const IP = ["192.0.2.7", "127.0.0.1"];

const newKeys = () => crypto.subtle.generateKey(EC, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;

const key = await generateKeyPair();
const issuer = { certificate: (await createRootCa({ commonName: "Bench CA", key })).pem, key };
const caName = "CN=Bench CA";
const tbs = crypto.getRandomValues(new Uint8Array(420));

async function ours(): Promise<void> {
  const own = await generateKeyPair();
  await exportPrivateKey(own);
  const names = { dns: DNS, ip: IP };
  await issueCertificate({ issuer, profile: "server", publicKey: own.publicKey, commonName: "db.internal", names });
}

/** The key is the new one, so that nothing of it can be kept ready. */
async function platform(): Promise<void> {
  await newKeys();
  await crypto.subtle.sign(SIGNATURE, key.privateKey, tbs);
}

async function peer(): Promise<void> {
  const own = await newKeys();
  pemEncode("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", own.privateKey)));
  const certificate = await peculiar.X509CertificateGenerator.create({
    issuer: caName,
    subject: "CN=db.internal",
    publicKey: own.publicKey,
    signingKey: key.privateKey,
    signingAlgorithm: SIGNATURE,
    notBefore: new Date(),
    notAfter: new Date(Date.now() + 365 * 86_400_000),
    extensions: [
      new peculiar.BasicConstraintsExtension(false, undefined, true),
      new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.digitalSignature, true),
      new peculiar.ExtendedKeyUsageExtension([peculiar.ExtendedKeyUsage.serverAuth]),
      await peculiar.SubjectKeyIdentifierExtension.create(own.publicKey),
      await peculiar.AuthorityKeyIdentifierExtension.create(key.publicKey),
      new peculiar.SubjectAlternativeNameExtension([
        ...DNS.map((value) => ({ type: "dns" as const, value })),
        ...IP.map((value) => ({ type: "ip" as const, value })),
      ]),
    ],
  });
  certificate.toString("pem");
}

const contenders = { ours, platform, peer };
const spent: Record<keyof typeof contenders, number[]> = { ours: [], platform: [], peer: [] };
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(contenders) as [keyof typeof contenders, () => Promise<void>][]) {
    const start = performance.now();
    for (let i = 0; i < TURN; i++) await run();
    // The first two rounds warm up.
    if (round >= 0) spent[name].push((performance.now() - start) / TURN);
  }
}

const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
const perSecond = (name: keyof typeof contenders) => 1000 / median(spent[name]);
const limit = perSecond("ours") / perSecond("platform");
console.log(
  `P-256 key + certificate: ${perSecond("ours").toFixed(0)}/s of ${
    perSecond("platform").toFixed(0)
  }/s that the platform ` +
    `makes and signs = ${limit.toFixed(2)} (at least ${LEAST}: ${limit >= LEAST ? "ok" : "under"})`,
);
console.log(
  `The same with @peculiar/x509: ${perSecond("peer").toFixed(0)}/s, we make ` +
    `${(perSecond("ours") / perSecond("peer")).toFixed(1)} times as many`,
);
if (limit < LEAST) Deno.exitCode = 1;
