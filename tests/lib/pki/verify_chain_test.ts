import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { extension, objectIdentifier, octetString, sequence, tlv, utf8String } from "../../../lib/pki/encode.ts";
import { ExtensionId, PurposeId } from "../../../lib/pki/oid.ts";
import { pemEncode } from "../../../lib/pki/pem.ts";
import type { VerifyResult } from "../../../lib/pki/verify/result.ts";
import { verifyChain, type VerifyOptions } from "../../../lib/pki/verify/verify_chain.ts";
import { AT, ca, certificate, type TestCertificate, testKey, type TestKeyKind } from "../../support/pki_builder.ts";

const root = testKey();
const middle = testKey();
const own = testKey();
const ROOT = ca({ subject: "Root", key: root });
const MIDDLE = ca({ subject: "Middle", issuer: "Root", key: middle, signer: root });

const SERVER: TestCertificate = {
  subject: "leaf",
  issuer: "Middle",
  key: own,
  signer: middle,
  names: ["dns:db.internal"],
  purposes: [PurposeId.serverAuth],
  usage: ["digitalSignature"],
};

function verdict(result: VerifyResult): string {
  return result.ok ? "ok" : result.rule;
}

/** Verifies a leaf that differs from a good one, under Root and Middle. */
async function judge(change: Partial<TestCertificate>, options: VerifyOptions = {}): Promise<string> {
  const leaf = certificate({ ...SERVER, ...change });
  return verdict(await verifyChain(leaf, [MIDDLE], [ROOT], { at: AT, purpose: "server", ...options }));
}

/** Verifies a good leaf under an intermediate that differs from a good one. */
async function judgeCa(change: Partial<TestCertificate>, options: VerifyOptions = {}): Promise<string> {
  const changed = certificate({
    subject: "Middle",
    issuer: "Root",
    key: middle,
    signer: root,
    ca: true,
    usage: ["keyCertSign", "cRLSign"],
    ...change,
  });
  return verdict(await verifyChain(certificate(SERVER), [changed], [ROOT], { at: AT, purpose: "server", ...options }));
}

const unknown = (critical: boolean): Uint8Array => extension("1.3.6.1.4.1.99999.1", tlv(0x05), critical);

Deno.test("verifyChain() refuses a leaf for the rule it breaks", async () => {
  deepEqual({
    before: await judge({ notBefore: new Date(AT.getTime() + 1000) }),
    after: await judge({ notAfter: new Date(AT.getTime() - 1000) }),
    critical: await judge({ extensions: [unknown(true)] }),
    twice: await judge({ extensions: [unknown(false), unknown(false)] }),
    issuer: await judge({ issuer: "Nobody" }),
    noIssuer: await judge({ issuer: "" }),
    forged: await judge({ signer: root }),
    client: await judge({ purposes: [PurposeId.clientAuth] }),
    usage: await judge({ usage: ["cRLSign"] }),
    certSign: await judge({ usage: ["digitalSignature", "keyCertSign"] }),
    serial: await judge({ serial: 1n << 160n }),
    anonymous: await judge({ subject: "", criticalNames: false }),
    constraining: await judge({ permitted: ["dns:internal"] }),
    aia: await judge({ extensions: [extension(ExtensionId.authorityInfoAccess, accessInfo(), true)] }),
    name: await judge({}, { name: { dns: "mail.internal" } }),
  }, {
    before: "validity",
    after: "validity",
    critical: "critical_extension",
    twice: "parse",
    issuer: "issuer",
    noIssuer: "structure",
    forged: "signature",
    client: "extended_key_usage",
    usage: "key_usage",
    certSign: "structure",
    serial: "structure",
    anonymous: "structure",
    constraining: "structure",
    aia: "critical_extension",
    name: "name",
  });
});

function accessInfo(): Uint8Array {
  return sequence(sequence(objectIdentifier("1.3.6.1.5.5.7.48.1"), tlv(0x86, new TextEncoder().encode("http://o/"))));
}

Deno.test("verifyChain() accepts a leaf that is unusual and sound", async () => {
  deepEqual({
    plain: await judge({}, { name: { dns: "DB.Internal." } }),
    bare: await judge({ purposes: undefined, usage: undefined, keyIds: false } as never),
    any: await judge({ purposes: [PurposeId.any] }),
    firstSecond: await judge({ notBefore: AT }),
    lastSecond: await judge({ notAfter: AT }),
    withinIt: await judge({ notAfter: AT }, { at: new Date(AT.getTime() + 999) }),
    unknown: await judge({ extensions: [unknown(false)] }),
    anonymous: await judge({ subject: "" }),
    negative: await judge({ serial: -5 }),
    agreement: await judge({ usage: ["keyAgreement"] }),
    anyPurpose: await judge({ purposes: [PurposeId.clientAuth] }, { purpose: "any" }),
    aia: await judge({ extensions: [extension(ExtensionId.authorityInfoAccess, accessInfo())] }),
  }, {
    plain: "ok",
    bare: "ok",
    any: "ok",
    firstSecond: "ok",
    lastSecond: "ok",
    withinIt: "ok",
    unknown: "ok",
    anonymous: "ok",
    negative: "ok",
    agreement: "ok",
    anyPurpose: "ok",
    aia: "ok",
  });
  equal(await judge({ notBefore: AT }, { at: new Date(AT.getTime() - 1) }), "validity");
});

Deno.test("verifyChain() refuses an intermediate for the rule it breaks", async () => {
  deepEqual({
    leaf: await judgeCa({ ca: false, usage: ["digitalSignature"] }),
    silent: await judgeCa({ ca: undefined } as never),
    usage: await judgeCa({ usage: ["cRLSign"] }),
    expired: await judgeCa({ notAfter: new Date(AT.getTime() - 1000) }),
    critical: await judgeCa({ extensions: [unknown(true)] }),
    purpose: await judgeCa({ purposes: [PurposeId.clientAuth] }),
    names: await judgeCa({ permitted: ["dns:example.com"] }),
    forged: await judgeCa({ signer: middle }),
    versionOne: await judgeCa({ ca: undefined, usage: undefined, keyIds: false, version: 0 } as never),
    badNames: await judgeCa({ extensions: [extension(ExtensionId.subjectAltName, utf8String("db.internal"))] }),
  }, {
    leaf: "basic_constraints",
    silent: "structure",
    usage: "key_usage",
    expired: "validity",
    critical: "critical_extension",
    purpose: "extended_key_usage",
    names: "name_constraints",
    forged: "signature",
    versionOne: "basic_constraints",
    badNames: "parse",
  });
  equal(await judgeCa({ usage: undefined, keyIds: false } as never), "ok");
});

Deno.test("verifyChain() holds anchors to what they say about themselves", async () => {
  const judgeRoot = async (change: Partial<TestCertificate>): Promise<string> => {
    const anchor = certificate({ subject: "Root", key: root, ca: true, usage: ["keyCertSign"], ...change });
    return verdict(await verifyChain(certificate(SERVER), [MIDDLE], [anchor], { at: AT, purpose: "server" }));
  };
  deepEqual({
    good: await judgeRoot({}),
    versionOne: await judgeRoot({ ca: undefined, usage: undefined, keyIds: false, version: 0 } as never),
    expired: await judgeRoot({ notAfter: new Date(AT.getTime() - 1000) }),
    noCa: await judgeRoot({ ca: false, usage: ["digitalSignature"] }),
    usage: await judgeRoot({ usage: ["digitalSignature"] }),
    short: await judgeRoot({ pathLength: 0 }),
    names: await judgeRoot({ excluded: ["dns:internal"] }),
    critical: await judgeRoot({ extensions: [unknown(true)] }),
  }, {
    good: "ok",
    versionOne: "ok",
    expired: "validity",
    noCa: "basic_constraints",
    usage: "key_usage",
    short: "path_length",
    names: "name_constraints",
    critical: "critical_extension",
  });
});

Deno.test("verifyChain() returns the path, and takes an anchor for its own", async () => {
  const leaf = certificate(SERVER);
  const result = await verifyChain(leaf, [MIDDLE], [ROOT], { at: AT });
  ok(result.ok);
  deepEqual(result.path.map((one) => one.subject.commonName), ["leaf", "Middle", "Root"]);
  const alone = certificate({ subject: "alone", key: own, names: ["dns:alone"] });
  const trusted = await verifyChain(alone, [], [alone], { at: AT });
  ok(trusted.ok);
  equal(trusted.path.length, 1);
  equal(verdict(await verifyChain(leaf, [], [leaf], { at: AT })), "issuer");
  const middleTrusted = await verifyChain(leaf, [ROOT], [MIDDLE], { at: AT });
  ok(middleTrusted.ok);
  equal(middleTrusted.path.length, 2);
});

Deno.test("verifyChain() counts no self-issued certificate against a path length", async () => {
  const next = testKey();
  const rolled = ca({ subject: "Middle", issuer: "Middle", key: next, signer: middle, pathLength: 0 });
  const limited = ca({ subject: "Middle", issuer: "Root", key: middle, signer: root, pathLength: 0 });
  const leaf = certificate({ ...SERVER, signer: next });
  equal(verdict(await verifyChain(leaf, [limited, rolled], [ROOT], { at: AT })), "ok");
  const below = ca({ subject: "Below", issuer: "Middle", key: next, signer: middle });
  const deeper = certificate({ ...SERVER, issuer: "Below", signer: next });
  equal(verdict(await verifyChain(deeper, [limited, below], [ROOT], { at: AT })), "path_length");
  equal(verdict(await verifyChain(deeper, [MIDDLE, below], [ROOT], { at: AT, maxDepth: 2 })), "ok");
  equal(verdict(await verifyChain(deeper, [MIDDLE, below], [ROOT], { at: AT, maxDepth: 1 })), "depth");
});

Deno.test("verifyChain() tries every way: wrong-key twins, cross-signed and expired siblings", async () => {
  const leaf = certificate(SERVER);
  const twins = Array.from(
    { length: 20 },
    () => ca({ subject: "Middle", issuer: "Root", key: testKey(), signer: root }),
  );
  equal(verdict(await verifyChain(leaf, [...twins, MIDDLE], [ROOT], { at: AT })), "ok");
  const blind = certificate({ ...SERVER, keyIds: false });
  equal(verdict(await verifyChain(blind, [...twins, MIDDLE], [ROOT], { at: AT })), "ok");
  equal(verdict(await verifyChain(blind, twins, [ROOT], { at: AT })), "signature");

  const other = testKey();
  const OTHER = ca({ subject: "Other", key: other });
  const crossed = ca({ subject: "Middle", issuer: "Other", key: middle, signer: other });
  const expired = ca({ subject: "Middle", issuer: "Root", key: middle, signer: root, notAfter: new Date(0) });
  equal(verdict(await verifyChain(leaf, [expired, crossed], [OTHER, ROOT], { at: AT })), "ok");
  const narrow = ca({ subject: "Middle", issuer: "Root", key: middle, signer: root, permitted: ["dns:example.com"] });
  equal(verdict(await verifyChain(leaf, [narrow, crossed], [OTHER, ROOT], { at: AT })), "ok");
  equal(verdict(await verifyChain(leaf, [narrow, crossed], [ROOT], { at: AT })), "name_constraints");
});

Deno.test("verifyChain() tries an issuer with another key identifier on every path that leads to it", async () => {
  const policies = ["1.3.6.1.4.1.99999.1"];
  const above = testKey();
  const misnamed = ca({
    subject: "Above",
    issuer: "Root",
    key: above,
    signer: { ...root, id: new Uint8Array(20) },
    policies,
  });
  const one = (of: Partial<TestCertificate>): Uint8Array =>
    ca({ subject: "Middle", issuer: "Above", key: middle, signer: above, ...of });
  const pool = [...Array.from({ length: 30 }, () => one({})), one({ policies }), misnamed];
  const options = { at: AT, policies: { requireExplicitPolicy: true } };
  equal(verdict(await verifyChain(certificate({ ...SERVER, policies }), pool, [ROOT], options)), "ok");
});

Deno.test("verifyChain() gives reasons that are short and move no cursor", async () => {
  const anchor = ca({ subject: "Root", key: root, excluded: ["dns:evil.org"] });
  for (const text of ["\x1b[2J\x9b2J\u202e", "x".repeat(5000), "😜".repeat(5000), `x${"😜".repeat(5000)}`]) {
    const leaf = certificate({ subject: text, issuer: "Root", key: own, signer: root, names: ["dns:\x1b[2Jevil.org"] });
    const below = certificate({ subject: "leaf", issuer: text, key: own, signer: root });
    for (const refused of [await verifyChain(leaf, [], [anchor], { at: AT }), await verifyChain(below, [], [ROOT])]) {
      const reason = refused.ok ? "" : refused.reason;
      match(reason, /^[^\p{C}]{10,1001}$/u);
    }
  }
});

Deno.test("verifyChain() verifies every algorithm it accepts, and says no to the others", async () => {
  for (const kind of ["ed25519", "ed448", "p256", "p384", "p521", "rsa"] as TestKeyKind[]) {
    const key = testKey(kind);
    const anchor = ca({ subject: "Root", key });
    const leaf = certificate({ subject: "leaf", issuer: "Root", key: own, signer: key });
    equal(verdict(await verifyChain(leaf, [], [anchor], { at: AT })), "ok", kind);
    const forged = leaf.with(leaf.length - 2, leaf.at(-2)! ^ 1);
    equal(verdict(await verifyChain(forged, [], [anchor], { at: AT })), "signature", kind);
  }
  const weak = testKey("rsa", { modulusLength: 1024 });
  const signedByWeak = certificate({ subject: "leaf", issuer: "Root", key: own, signer: weak });
  equal(verdict(await verifyChain(signedByWeak, [], [ca({ subject: "Root", key: weak })], { at: AT })), "key");
  equal(await judge({ key: weak }), "key");
  const sha1 = { ...testKey("rsa"), algorithm: sequence(objectIdentifier("1.2.840.113549.1.1.5"), tlv(0x05)) };
  const anchor = ca({ subject: "Root", key: { ...sha1, algorithm: testKey("rsa").algorithm } });
  const old = certificate({ subject: "leaf", issuer: "Root", key: own, signer: sha1 });
  equal(verdict(await verifyChain(old, [], [anchor], { at: AT })), "algorithm");
});

Deno.test("verifyChain() refuses what cannot be read, and throws for misuse alone", async () => {
  const leaf = certificate(SERVER);
  const rotten = leaf.slice(0, -1);
  for (
    const [l, i, r] of [[rotten, [], [ROOT]], [leaf, [rotten], [ROOT]], [leaf, [], [rotten]], ["", [], []]] as const
  ) {
    const result = await verifyChain(l, i, r, { at: AT });
    deepEqual([verdict(result), result.ok ? null : result.certificate], ["parse", undefined]);
  }
  equal(verdict(await verifyChain(leaf, [MIDDLE], [ROOT], { at: AT, crls: [rotten] })), "crl");
  equal(verdict(await verifyChain(leaf, [MIDDLE], [], { at: AT })), "issuer");

  const pem = (der: Uint8Array): string => pemEncode("CERTIFICATE", der);
  equal(verdict(await verifyChain(pem(leaf) + pem(MIDDLE), [], [pem(ROOT)], { at: AT })), "ok");
  equal(verdict(await verifyChain(new TextEncoder().encode(pem(leaf)), [MIDDLE], [ROOT], { at: AT })), "ok");

  await rejects(() => verifyChain(5 as never, [], []), TypeError);
  await rejects(() => verifyChain(leaf, ROOT as never, [ROOT]), TypeError);
  await rejects(() => verifyChain(leaf, [], [null as never]), TypeError);
  for (
    const [options, error] of [
      [{ at: "2026" }, TypeError],
      [{ at: new Date(NaN) }, RangeError],
      [{ purpose: "email" }, TypeError],
      [{ maxDepth: -1 }, RangeError],
      [{ revocation: "maybe" }, TypeError],
      [{ name: { dns: "a", ip: "::1" } }, TypeError],
      [{ name: "db.internal" }, TypeError],
      [{ policies: { initialPolicySet: ["any"] } }, TypeError],
    ] as const
  ) {
    await rejects(() => verifyChain(leaf, [MIDDLE], [ROOT], options as never), error);
  }
});

Deno.test("verifyChain() compares names as RFC 5280 §7.1 says", async () => {
  const printable = (text: string): Uint8Array => tlv(0x13, new TextEncoder().encode(text));
  const subject = [["2.5.4.10", "Example  Org "], ["2.5.4.3", "Straße I"]] as const;
  const key = testKey();
  const anchor = ca({ subject, key });
  const issued = async (issuer: TestCertificate["issuer"]): Promise<string> => {
    const leaf = certificate({ subject: "leaf", issuer: issuer!, key: own, signer: key });
    return verdict(await verifyChain(leaf, [], [anchor], { at: AT }));
  };
  deepEqual({
    same: await issued(subject),
    folded: await issued([["2.5.4.10", printable(" EXAMPLE org")], ["2.5.4.3", "STRASSE i"]]),
    dotless: await issued([["2.5.4.10", "Example Org"], ["2.5.4.3", "Straße ı"]]),
    turned: await issued([["2.5.4.3", "Straße I"], ["2.5.4.10", "Example Org"]]),
    joined: await issued([["2.5.4.10", "ExampleOrg"], ["2.5.4.3", "Straße I"]]),
    octets: await issued([["2.5.4.10", octetString(new TextEncoder().encode("Example Org"))], ["2.5.4.3", "Straße I"]]),
  }, { same: "ok", folded: "ok", dotless: "issuer", turned: "issuer", joined: "issuer", octets: "issuer" });
});

Deno.test("verifyChain() leaves nothing running behind a refusal", async () => {
  const [top, between] = [testKey("p256"), testKey("p256")];
  const anchor = ca({ subject: "Root", key: top });
  const middling = ca({ subject: "Middle", issuer: "Root", key: between, signer: top });
  const forged = certificate({ subject: "leaf", issuer: "Middle", key: own, signer: { ...between, sign: top.sign } });
  equal(verdict(await verifyChain(forged, [middling], [anchor], { at: AT })), "signature");
});
