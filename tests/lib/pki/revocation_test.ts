import { deepEqual, equal } from "node:assert/strict";
import { constructed, extension, primitive, tlv } from "../../../lib/pki/encode.ts";
import { pemEncode } from "../../../lib/pki/pem.ts";
import { verifyChain, type VerifyOptions } from "../../../lib/pki/verify/verify_chain.ts";
import { verifyCrl } from "../../../lib/pki/verify/verify_crl.ts";
import {
  AT,
  ca,
  certificate,
  crl,
  generalName,
  type TestCertificate,
  type TestCrl,
  testKey,
} from "../../support/pki_builder.ts";

const root = testKey();
const middle = testKey();
const signer = testKey();
const own = testKey();
const stranger = testKey();
const ROOT = ca({ subject: "Root", key: root });
const MIDDLE = ca({ subject: "Middle", issuer: "Root", key: middle, signer: root, serial: 7 });
const SIGNER = certificate({
  subject: "CRL Signer",
  issuer: "Root",
  key: signer,
  signer: root,
  ca: false,
  usage: ["cRLSign"],
  serial: 8,
});
const ROOT_CRL = crl({ issuer: "Root", signer: root });

const past = new Date(AT.getTime() - 1000);
const flag = (number: number): Uint8Array => tlv(0x80 | number, Uint8Array.of(0xff));
const point = (uri: string): Uint8Array => constructed(0, constructed(0, generalName(`uri:${uri}`)));

/** Verifies leaf 5 of Middle with a list of Root, and these of Middle. */
async function judge(
  lists: readonly Uint8Array[],
  { leaf = {}, ...options }: VerifyOptions & { readonly leaf?: Partial<TestCertificate> } = {},
): Promise<string> {
  const target = certificate({ subject: "leaf", issuer: "Middle", key: own, signer: middle, serial: 5, ...leaf });
  const crls = [ROOT_CRL, ...lists];
  const result = await verifyChain(target, [MIDDLE, SIGNER], [ROOT], { at: AT, crls, ...options });
  return result.ok ? "ok" : `${result.rule} ${result.certificate?.subject.commonName}`;
}

const list = (of: Partial<TestCrl> = {}): Uint8Array => crl({ issuer: "Middle", signer: middle, ...of });

Deno.test("verifyChain() refuses what a CRL revokes, and what no CRL clears", async () => {
  deepEqual({
    cleared: await judge([list()]),
    other: await judge([list({ revoked: [{ serial: 6 }, { serial: 0x0500 }, { serial: -5 }] })]),
    revoked: await judge([list({ revoked: [{ serial: 6 }, { serial: 5, reason: 1 }] })]),
    held: await judge([list({ revoked: [{ serial: 5, reason: 6 }] })]),
    none: await judge([]),
    stale: await judge([list({ nextUpdate: past })]),
    lastSecond: await judge([list({ nextUpdate: AT })]),
    early: await judge([list({ thisUpdate: new Date(AT.getTime() + 1000) })]),
    endless: await judge([list({ nextUpdate: null })]),
    forged: await judge([list({ signer: stranger })]),
    critical: await judge([list({ extensions: [extension("1.3.6.1.4.1.99999.1", tlv(5), true)] })]),
    criticalEntry: await judge([
      list({ revoked: [{ serial: 6, extensions: [extension("1.3.6.1.4.1.99999.1", tlv(5), true)] }] }),
    ]),
    unknown: await judge([list({ extensions: [extension("1.3.6.1.4.1.99999.1", tlv(5))] })]),
    deltaAlone: await judge([list({ base: 1, number: 2 })]),
  }, {
    cleared: "ok",
    other: "ok",
    revoked: "revoked leaf",
    held: "revoked leaf",
    none: "revocation leaf",
    stale: "revocation leaf",
    lastSecond: "ok",
    early: "revocation leaf",
    endless: "revocation leaf",
    forged: "revocation leaf",
    critical: "revocation leaf",
    criticalEntry: "revocation leaf",
    unknown: "ok",
    deltaAlone: "revocation leaf",
  });
});

Deno.test("verifyChain() asks about every certificate below the anchor", async () => {
  const target = certificate({ subject: "leaf", issuer: "Middle", key: own, signer: middle });
  const rule = async (crls: Uint8Array[], options: VerifyOptions = {}): Promise<string> => {
    const result = await verifyChain(target, [MIDDLE], [ROOT], { at: AT, crls, ...options });
    return result.ok ? "ok" : `${result.rule} ${result.certificate?.subject.commonName}`;
  };
  equal(
    await rule([list(), crl({ issuer: "Root", signer: root, revoked: [{ serial: 7, reason: 2 }] })]),
    "revoked Middle",
  );
  equal(await rule([list()]), "revocation Middle");
  equal(await rule([]), "revocation Middle");
  equal(await rule([list()], { revocation: "if-present" }), "ok");
  equal(await rule([], { revocation: "if-present" }), "ok");
  equal((await verifyChain(target, [MIDDLE], [ROOT], { at: AT })).ok, true);
});

Deno.test("verifyChain() with if-present still refuses what a list says, and lists that prove nothing", async () => {
  const revocation = "if-present";
  deepEqual({
    none: await judge([], { revocation }),
    revoked: await judge([list({ revoked: [{ serial: 5 }] })], { revocation }),
    stale: await judge([list({ nextUpdate: past })], { revocation }),
    forged: await judge([list({ signer: stranger })], { revocation }),
    someReasons: await judge([list({ scope: [primitive(3, Uint8Array.of(6, 0x40))] })], { revocation }),
    ofOthers: await judge([crl({ issuer: "Elsewhere", signer: stranger })], { revocation }),
  }, {
    none: "ok",
    revoked: "revoked leaf",
    stale: "revocation leaf",
    forged: "revocation leaf",
    someReasons: "ok",
    ofOthers: "ok",
  });
});

Deno.test("verifyChain() reads what a CRL is about", async () => {
  const uri = "http://crl.internal/1";
  const leaf = { crlUris: [uri] };
  deepEqual({
    users: await judge([list({ scope: [flag(1)] })]),
    authorities: await judge([list({ scope: [flag(2)] })]),
    attributes: await judge([list({ scope: [flag(5)] })]),
    place: await judge([list({ scope: [point(uri)] })], { leaf }),
    otherPlace: await judge([list({ scope: [point(`${uri}0`)] })], { leaf }),
    noPlace: await judge([list({ scope: [point(uri)] })]),
    everywhere: await judge([list()], { leaf }),
    half: await judge([list({ scope: [primitive(3, Uint8Array.of(6, 0x40))] })]),
    both: await judge([
      list({ scope: [primitive(3, Uint8Array.of(4, 0x70))] }),
      list({ scope: [primitive(3, Uint8Array.of(7, 0x0f, 0x80))] }),
    ]),
  }, {
    users: "ok",
    authorities: "revocation leaf",
    attributes: "revocation leaf",
    place: "ok",
    otherPlace: "revocation leaf",
    noPlace: "revocation leaf",
    everywhere: "ok",
    half: "revocation leaf",
    both: "ok",
  });
});

Deno.test("verifyChain() believes the newest list, and any that revokes for reasons of its own", async () => {
  const old = new Date("2026-05-01T00:00:00Z");
  const some = primitive(3, Uint8Array.of(6, 0x40));
  const split = { extensions: [extension("2.5.29.31", tlv(0x30, reasonPoint(6, 0x40), reasonPoint(0, 0xbf, 0x80)))] };
  deepEqual({
    released: await judge([list({ thisUpdate: old, revoked: [{ serial: 5, reason: 6 }] }), list({ number: 2 })]),
    releasedSameDay: await judge([list({ revoked: [{ serial: 5, reason: 6 }] }), list({ number: 2 })]),
    since: await judge([list({ thisUpdate: old }), list({ number: 2, revoked: [{ serial: 5 }] })]),
    elsewhere: await judge([list({ number: 2 }), list({ thisUpdate: old, scope: [some], revoked: [{ serial: 5 }] })]),
    onePerReason: await judge([list()], { leaf: split }),
  }, {
    released: "ok",
    releasedSameDay: "ok",
    since: "revoked leaf",
    elsewhere: "revoked leaf",
    onePerReason: "ok",
  });
});

/** A distribution point for some reasons, the bits of which are given as a BIT STRING. */
function reasonPoint(...bits: number[]): Uint8Array {
  return tlv(0x30, point("http://crl/"), primitive(1, Uint8Array.from(bits)));
}

Deno.test("verifyChain() puts a delta on its base", async () => {
  const base = list({ number: 10, revoked: [{ serial: 5, reason: 6 }] });
  const clean = list({ number: 10 });
  deepEqual({
    revokes: await judge([clean, list({ base: 10, number: 11, revoked: [{ serial: 5 }] })]),
    removes: await judge([base, list({ base: 10, number: 11, revoked: [{ serial: 5, reason: 8 }] })]),
    silent: await judge([base, list({ base: 10, number: 11 })]),
    ahead: await judge([clean, list({ base: 11, number: 12, revoked: [{ serial: 5 }] })]),
    behind: await judge([base, list({ base: 5, number: 10, revoked: [{ serial: 5, reason: 8 }] })]),
    forged: await judge([base, list({ base: 10, number: 11, signer: stranger, revoked: [{ serial: 5, reason: 8 }] })]),
    stale: await judge([base, list({ base: 10, number: 11, nextUpdate: past, revoked: [{ serial: 5, reason: 8 }] })]),
    misplaced: await judge([list({ number: 10, revoked: [{ serial: 5, reason: 8 }] })]),
  }, {
    revokes: "revoked leaf",
    removes: "ok",
    silent: "revoked leaf",
    ahead: "ok",
    behind: "revoked leaf",
    forged: "revoked leaf",
    stale: "revoked leaf",
    misplaced: "revoked leaf",
  });
});

Deno.test("verifyChain() believes an indirect CRL if the certificate names who signs it", async () => {
  const issuer = constructed(2, generalName("dir:CRL Signer"));
  const distribution = extension("2.5.29.31", tlv(0x30, tlv(0x30, point("http://crl/"), issuer)));
  const leaf = { extensions: [distribution] };
  const indirect = (of: Partial<TestCrl>): Uint8Array =>
    crl({ issuer: "CRL Signer", signer, scope: [point("http://crl/"), flag(4)], ...of });
  deepEqual({
    cleared: await judge([indirect({})], { leaf }),
    revoked: await judge([indirect({ revoked: [{ serial: 5, issuer: "Middle" }] })], { leaf }),
    following: await judge([indirect({ revoked: [{ serial: 4, issuer: "Middle" }, { serial: 5 }] })], { leaf }),
    own: await judge([indirect({ revoked: [{ serial: 5 }] })], { leaf }),
    direct: await judge([crl({ issuer: "CRL Signer", signer, scope: [point("http://crl/")] })], { leaf }),
    unnamed: await judge([indirect({})]),
    signerRevoked: await judge(
      [crl({ issuer: "Root", signer: root, number: 2, revoked: [{ serial: 8 }] }), indirect({})],
      { leaf, crls: [crl({ issuer: "Root", signer: root, revoked: [{ serial: 8 }] }), indirect({})] },
    ),
  }, {
    cleared: "ok",
    revoked: "revoked leaf",
    following: "revoked leaf",
    own: "ok",
    direct: "revocation leaf",
    unnamed: "revocation leaf",
    signerRevoked: "revocation leaf",
  });
});

Deno.test("verifyChain() believes a second key of the CA, if it may sign CRLs", async () => {
  const target = certificate({ subject: "leaf", issuer: "Middle", key: own, signer: middle, serial: 5 });
  const judged = async (change: Partial<TestCertificate>): Promise<string> => {
    const second = certificate({
      subject: "Middle",
      issuer: "Root",
      key: signer,
      signer: root,
      ca: false,
      usage: ["cRLSign"],
      ...change,
    });
    const crls = [ROOT_CRL, crl({ issuer: "Middle", signer })];
    const result = await verifyChain(target, [MIDDLE, second], [ROOT], { at: AT, crls });
    return result.ok ? "ok" : result.rule;
  };
  deepEqual({
    sound: await judged({}),
    usage: await judged({ usage: ["digitalSignature"] }),
    expired: await judged({ notAfter: past }),
    forged: await judged({ signer: stranger }),
  }, { sound: "ok", usage: "revocation", expired: "revocation", forged: "revocation" });
});

Deno.test("verifyChain() knows a revoked certificate by issuer and serial, however its signature is spelled", async () => {
  const key = testKey("p256");
  const anchor = ca({ subject: "Root", key });
  const leaf = certificate({ subject: "leaf", issuer: "Root", key: own, signer: key, serial: 5 });
  const again = certificate({ subject: "leaf", issuer: "Root", key: own, signer: key, serial: 5 });
  const crls = [crl({ issuer: "Root", signer: key, revoked: [{ serial: 5 }] })];
  for (const one of [leaf, again]) {
    const result = await verifyChain(one, [], [anchor], { at: AT, crls });
    equal(result.ok ? "ok" : result.rule, "revoked");
  }
});

Deno.test("verifyCrl() refuses a list for the rule it breaks", async () => {
  const rule = async (der: Uint8Array | string, issuer: Uint8Array = ROOT): Promise<string> => {
    const result = await verifyCrl(der, issuer, { at: AT });
    return result.ok ? "ok" : result.rule;
  };
  deepEqual({
    sound: await rule(ROOT_CRL),
    pem: await rule(pemEncode("X509 CRL", ROOT_CRL)),
    cut: await rule(ROOT_CRL.subarray(0, -1)),
    issuer: await rule(list()),
    signature: await rule(crl({ issuer: "Root", signer: stranger })),
    stale: await rule(crl({ issuer: "Root", signer: root, nextUpdate: past })),
    usage: await rule(ROOT_CRL, certificate({ subject: "Root", key: root, ca: true, usage: ["keyCertSign"] })),
    critical: await rule(
      crl({ issuer: "Root", signer: root, extensions: [extension("1.3.6.1.4.1.99999.1", tlv(5), true)] }),
    ),
  }, {
    sound: "ok",
    pem: "ok",
    cut: "parse",
    issuer: "issuer",
    signature: "signature",
    stale: "validity",
    usage: "key_usage",
    critical: "critical_extension",
  });
});
