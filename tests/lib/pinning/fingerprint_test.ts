import {
  fingerprintForms,
  fingerprintOfCertificate,
  fingerprintOfPem,
  fingerprintOfPublicKey,
  matchFingerprint,
  parseFingerprint,
} from "@helyos/pinning";
import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { forgeCa } from "./forge.ts";

const HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const PRINTED = HEX.match(/../g)!.join(":");

for (
  const text of [
    "",
    "sha256:",
    HEX.slice(1),
    HEX + "0",
    HEX.slice(0, 63) + "g",
    HEX.slice(0, 62) + "é",
    `sha1:${HEX}`,
    `sha256:sha256:${HEX}`,
    `sha256:der:${HEX}`,
    `${HEX} ${HEX}`,
    HEX.replace("d", " d"),
    `0x${HEX}`,
  ]
) {
  Deno.test(`parseFingerprint() refuses ${JSON.stringify(text)}`, () => {
    throws(() => parseFingerprint(text), { name: "SyntaxError" });
  });
}

for (
  const text of [
    HEX,
    PRINTED,
    HEX.toUpperCase(),
    PRINTED.toUpperCase(),
    `sha256:${HEX}`,
    `SHA256:${PRINTED.toUpperCase()}`,
    `SHA-256:${HEX}`,
    `der:${HEX}`,
    `SPKI:${PRINTED}`,
    `der:sha256:${HEX}`,
    `  ${PRINTED}\n`,
    `sha256 Fingerprint=${PRINTED.toUpperCase()}`,
  ]
) {
  Deno.test(`parseFingerprint() reads ${JSON.stringify(text)}`, () => {
    equal(parseFingerprint(text), PRINTED);
  });
}

Deno.test("parseFingerprint() never repeats more than a line of what it refuses", () => {
  throws(() => parseFingerprint("x".repeat(10_000)), (error: Error) => error.message.length < 250);
});

Deno.test("fingerprintOfPem() hashes the text as it is, line ends and all", async () => {
  const { pem } = await forgeCa("CA");
  const crlf = pem.replaceAll("\n", "\r\n");
  equal((await fingerprintOfPem(pem)).replaceAll(":", ""), createHash("sha256").update(pem).digest("hex"));
  equal(await fingerprintOfPem(new TextEncoder().encode(crlf)), await fingerprintOfPem(crlf));
  equal(await fingerprintOfPem(pem) === await fingerprintOfPem(crlf), false);
});

Deno.test("fingerprintOfCertificate() and fingerprintOfPublicKey() are what others compute", async () => {
  const { pem } = await forgeCa("CA");
  const judge = new X509Certificate(pem);
  equal(await fingerprintOfCertificate(pem), judge.fingerprint256.toLowerCase());
  const spki = judge.publicKey.export({ type: "spki", format: "der" });
  equal((await fingerprintOfPublicKey(pem)).replaceAll(":", ""), createHash("sha256").update(spki).digest("hex"));
});

Deno.test("matchFingerprint() tries text, then certificate, then key, and a prefix narrows it", async () => {
  const { pem } = await forgeCa("CA");
  const [text, der, spki] = [
    await fingerprintOfPem(pem),
    await fingerprintOfCertificate(pem),
    await fingerprintOfPublicKey(pem),
  ];
  deepEqual(await matchFingerprint(text.toUpperCase(), pem), { form: "pem" });
  deepEqual(await matchFingerprint(`sha256:${der}`, pem), { form: "der" });
  deepEqual(await matchFingerprint(spki.replaceAll(":", ""), pem), { form: "spki" });
  deepEqual(await matchFingerprint(`DER:${der}`, pem), { form: "der" });
  deepEqual(await matchFingerprint(`spki:${spki}`, pem), { form: "spki" });
  equal(await matchFingerprint(`der:${text}`, pem), undefined);
  equal(await matchFingerprint(`spki:${der}`, pem), undefined);
  deepEqual(fingerprintForms("der:" + der), ["der"]);
});

Deno.test("matchFingerprint() refuses a second certificate smuggled in behind the right one", async () => {
  const [right, wrong] = [await forgeCa("right"), await forgeCa("wrong")];
  const both = right.pem + wrong.pem;
  const der = await fingerprintOfCertificate(right.pem);
  await rejects(() => matchFingerprint(der, both), { code: "invalid_ca" });
  await rejects(() => matchFingerprint(`der:${der}`, wrong.pem + right.pem), { code: "invalid_ca" });
  deepEqual(await matchFingerprint(await fingerprintOfPem(both), both), { form: "pem" });
});

Deno.test("matchFingerprint() of what is no certificate compares the text and then says so", async () => {
  await rejects(() => matchFingerprint(HEX, "nonsense"), { name: "PinningError", code: "invalid_ca" });
});
