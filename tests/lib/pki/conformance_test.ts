/**
 * What public conformance suites ask of a path validator, case by case, with chains of our own. Where our answer is not
 * the one such a suite expects, the row says why the RFC has it so.
 *
 * @module
 */
import { deepEqual } from "node:assert/strict";
import {
  ascii,
  bitString,
  boolean,
  constructed,
  extension,
  generalizedTime,
  integer,
  namedBits,
  NULL,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  tlv,
  utf8String,
} from "../../../lib/pki/encode.ts";
import { ExtensionId, PurposeId } from "../../../lib/pki/oid.ts";
import { verifyChain, type VerifyOptions } from "../../../lib/pki/verify/verify_chain.ts";
import { AT, ca, certificate, crl, generalName, name, signed } from "../../support/pki_builder.ts";
import { type TestCertificate, type TestCrl, testKey } from "../../support/pki_builder.ts";

const [root, middle, own, stranger] = [testKey("p256"), testKey(), testKey("p256"), testKey("p256")];
const HOST = "example.com";

/** A chain of root and leaf, sound but for what is changed; with an intermediate between them if that is given. */
interface Chain {
  readonly root?: Partial<TestCertificate>;
  readonly middle?: Partial<TestCertificate>;
  readonly leaf?: Partial<TestCertificate>;
  readonly ask?: VerifyOptions;
}

type Row = readonly [expected: string, chain: Chain];

async function judge({ root: top, middle: between, leaf, ask }: Chain): Promise<string> {
  const anchor = ca({ subject: "Root", key: root, ...top });
  const subject = top?.subject ?? "Root";
  const above = between === undefined ? { issuer: subject, signer: root } : { issuer: "Middle", signer: middle };
  const target = certificate({
    subject: HOST,
    key: own,
    names: [`dns:${HOST}`],
    usage: ["digitalSignature"],
    purposes: [PurposeId.serverAuth],
    ...above,
    ...leaf,
  });
  const pool = between === undefined
    ? []
    : [ca({ subject: "Middle", issuer: subject, key: middle, signer: root, ...between })];
  const result = await verifyChain(target, pool, [anchor], { at: AT, purpose: "server", name: { dns: HOST }, ...ask });
  return result.ok ? "ok" : result.rule;
}

async function judgeAll(rows: Readonly<Record<string, Row>>): Promise<void> {
  const verdicts: Record<string, [string, string]> = {};
  for (const [what, [expected, chain]] of Object.entries(rows)) verdicts[what] = [expected, await judge(chain)];
  agree(verdicts);
}

/** Compares what was expected with what was found, and shows the rows that differ. */
function agree(rows: Readonly<Record<string, readonly [expected: string, actual: string]>>): void {
  deepEqual(Object.fromEntries(Object.entries(rows).filter(([, [expected, actual]]) => expected !== actual)), {});
}

const without = (...fields: (keyof TestCertificate)[]): Partial<TestCertificate> =>
  Object.fromEntries(fields.map((field) => [field, undefined]));
const keyId = (key: { readonly id: Uint8Array }): Uint8Array => sequence(primitive(0, key.id));
const aki = (critical: boolean): Uint8Array => extension(ExtensionId.authorityKeyIdentifier, keyId(root), critical);
const ski = (critical: boolean): Uint8Array =>
  extension(ExtensionId.subjectKeyIdentifier, octetString(root.id), critical);
const unknown = extension("1.3.6.1.4.1.55738.666.1", NULL, true);
const access = (
  critical: boolean,
  content = sequence(sequence(objectIdentifier("1.3.6.1.5.5.7.48.2"), primitive(2, ascii(HOST)))),
): Uint8Array => extension(ExtensionId.authorityInfoAccess, content, critical);
const altNames = (value: Uint8Array, critical = false): Uint8Array =>
  extension(ExtensionId.subjectAltName, value, critical);
const dns = (...hosts: string[]): Partial<TestCertificate> => ({ names: hosts.map((host) => `dns:${host}`) });
const subtrees = (...bases: Uint8Array[]): Uint8Array => constructed(0, ...bases.map((base) => sequence(base)));

Deno.test("verifyChain() judges the parts of a certificate as RFC 5280 §4 has them", async () => {
  const constraints = (critical: boolean, value: Uint8Array): Uint8Array =>
    extension(ExtensionId.nameConstraints, value, critical);
  await judgeAll({
    "sound": ["ok", {}],
    "sound, with an intermediate": ["ok", { middle: {} }],
    "empty issuer": ["structure", { leaf: { issuer: "" } }],
    "empty subject of the root": ["structure", { root: { subject: "" }, leaf: { issuer: "" } }],
    "unknown critical extension in the leaf": ["critical_extension", { leaf: { extensions: [unknown] } }],
    "unknown critical extension in an intermediate": ["critical_extension", { middle: { extensions: [unknown] } }],
    "unknown critical extension in the root": ["critical_extension", { root: { extensions: [unknown] } }],
    "intermediate without the CA bit": ["basic_constraints", { middle: { ca: false, usage: ["digitalSignature"] } }],
    "intermediate without basicConstraints": ["basic_constraints", { middle: without("ca", "usage") }],
    "root without basicConstraints": ["basic_constraints", { root: without("ca", "usage") }],
    "root whose key may not sign certificates": ["key_usage", { root: { usage: [] } }],
    "intermediate whose key may not sign certificates": ["key_usage", { middle: { pathLength: 0, usage: [] } }],
    "leaf whose key may sign certificates": [
      "structure",
      { leaf: { ca: false, usage: ["digitalSignature", "keyCertSign"] } },
    ],
    "leaf without keyUsage": ["ok", { leaf: without("usage") }],
    "leaf whose key may be used for nothing": ["key_usage", { leaf: { usage: [] } }],
    "leaf with basicConstraints": ["ok", { leaf: { ca: false } }],
    "leaf without basicConstraints": ["ok", { leaf: without("ca") }],
    // §4.2.1.9: a path length is meaningful only in a CA.
    "leaf with a path length": ["ok", { leaf: { ca: false, pathLength: 0 } }],
    "extension twice": [
      "parse",
      { leaf: { extensions: [altNames(sequence(generalName(`dns:${HOST}`)))] } },
    ],
    "access information": ["ok", { leaf: { extensions: [access(false)] } }],
    "access information, critical": ["critical_extension", { leaf: { extensions: [access(true)] } }],
    "access information that is none": ["parse", { leaf: { extensions: [access(false, ascii("malformed"))] } }],
    "alternative name that is none": ["parse", { leaf: { ...without("names"), extensions: [altNames(ascii(HOST))] } }],
    "alternative name without a name": ["parse", { leaf: { names: [] } }],
    "empty subject, names not critical": ["structure", { leaf: { subject: "", criticalNames: false } }],
    "empty subject, names critical": ["ok", { leaf: { subject: "" } }],
    // §4.2.1.6 says SHOULD; only the CA/Browser Forum forbids it.
    "subject, names critical": ["ok", { leaf: { criticalNames: true } }],
    "version 1, which has no names": ["name", { leaf: { ...bare, version: 0 } }],
    "version 1, no name asked": ["ok", { leaf: { ...bare, version: 0 }, ask: { name: undefined } as never }],
    "intermediate of version 1": ["basic_constraints", { middle: { ...bare, ca: undefined, version: 0 } as never }],
    "extended key usage, empty": ["parse", { leaf: { purposes: [] } }],
    "name constraints of a leaf, critical": ["structure", { leaf: { permitted: [`dns:${HOST}`] } }],
    "name constraints of a leaf": [
      "structure",
      { leaf: { extensions: [constraints(false, sequence(subtrees(generalName(`dns:${HOST}`))))] } },
    ],
    "name constraints, empty": ["parse", { middle: { extensions: [constraints(true, sequence())] } }],
    "name constraints, with empty lists": [
      "parse",
      { middle: { extensions: [constraints(true, sequence(constructed(0), constructed(1)))] } },
    ],

    // What RFC 5280 asks of a CA and its §6 does not ask of who verifies: it is for path building, or for readers that
    // know less than this one. Roots and private CAs in use were made without, and nothing is gained by refusing them:
    // lint() names it.
    "leaf that does not name the key of its issuer": ["ok", { leaf: { keyIds: false } }],
    "intermediate that does not name the key of its issuer": [
      "ok",
      { middle: { keyIds: false, extensions: [extension(ExtensionId.subjectKeyIdentifier, octetString(middle.id))] } },
    ],
    "root that does not name its key": ["ok", { root: { keyIds: false } }],
    "intermediate that does not name its key": ["ok", { middle: { keyIds: false, extensions: [aki(false)] } }],
    // NIST PKITS 4.6.4 asks to accept the same of an intermediate.
    "basicConstraints of the root not critical": [
      "ok",
      { root: { ...without("ca"), extensions: [extension(ExtensionId.basicConstraints, sequence(boolean(true)))] } },
    ],
    "name constraints not critical, kept": [
      "ok",
      { root: { extensions: [constraints(false, sequence(subtrees(generalName(`dns:${HOST}`))))] } },
    ],
    "name constraints not critical, broken": [
      "name_constraints",
      { root: { extensions: [constraints(false, sequence(subtrees(generalName("dns:other.org"))))] } },
    ],
    "policyConstraints not critical, kept": [
      "ok",
      { middle: { extensions: [extension(ExtensionId.policyConstraints, sequence(primitive(0, Uint8Array.of(3))))] } },
    ],
    "policyConstraints not critical, broken": [
      "policy",
      { middle: { extensions: [extension(ExtensionId.policyConstraints, sequence(primitive(0, Uint8Array.of(0))))] } },
    ],
    // §4.1.2.2: users "SHOULD be prepared to gracefully handle" numbers that are not positive; and up to 20 octets.
    "serial number 0": ["ok", { leaf: { serial: 0 } }],
    "serial number -1": ["ok", { leaf: { serial: -1 } }],
    "serial number of 20 octets": ["ok", { leaf: { serial: (1n << 159n) - 1n } }],
    "serial number of 22 octets": ["structure", { leaf: { serial: 1n << 174n } }],

    "key identifier of the issuer, critical": ["critical_extension", {
      root: { keyIds: false, extensions: [aki(true)] },
    }],
    "key identifier of the subject, critical": ["critical_extension", {
      root: { keyIds: false, extensions: [ski(true)] },
    }],
    "key identifier of the issuer, empty": [
      "ok",
      { leaf: { keyIds: false, extensions: [extension(ExtensionId.authorityKeyIdentifier, sequence())] } },
    ],
    "key identifier of the issuer, somebody else's": [
      "ok",
      { leaf: { keyIds: false, extensions: [extension(ExtensionId.authorityKeyIdentifier, keyId(stranger))] } },
    ],
  });
});

const bare = { ...without("names", "usage", "purposes"), keyIds: false };

Deno.test("verifyChain() holds purposes and usages against what is asked", async () => {
  const client = { ask: { purpose: "client" } } as const;
  await judgeAll({
    "no extended key usage": ["ok", { leaf: without("purposes") }],
    "another purpose": ["extended_key_usage", { leaf: { purposes: [PurposeId.clientAuth] } }],
    "both purposes": ["ok", { leaf: { purposes: [PurposeId.clientAuth, PurposeId.serverAuth] } }],
    // §4.2.1.12: it restricts nothing; that a server must not have it is a rule of the CA/Browser Forum.
    "any purpose": ["ok", { leaf: { purposes: [PurposeId.any] } }],
    "purpose, critical": [
      "ok",
      {
        leaf: {
          ...without("purposes"),
          extensions: [
            extension(ExtensionId.extendedKeyUsage, sequence(objectIdentifier(PurposeId.serverAuth)), true),
          ],
        },
      },
    ],
    "purposes of the root": ["ok", { root: { purposes: [PurposeId.serverAuth] } }],
    "purposes of the root, others": ["extended_key_usage", { root: { purposes: [PurposeId.emailProtection] } }],
    "purposes of an intermediate, others": ["extended_key_usage", {
      middle: { purposes: [PurposeId.emailProtection] },
    }],
    "client that is a server": ["extended_key_usage", { ...client }],
    "client": ["ok", { leaf: { purposes: [PurposeId.clientAuth] }, ...client }],
    // §4.2.1.3: whom a key authenticates, digitalSignature says. A CA's key that only signs certificates does not;
    // as the end of a path that is asked for no purpose, a CA is as good as any.
    "CA as a server": ["key_usage", { leaf: { ca: true, usage: ["keyCertSign", "cRLSign"], ...without("purposes") } }],
    "CA as a server, with the usage": ["ok", { leaf: { ca: true, usage: ["digitalSignature", "keyCertSign"] } }],
    "CA as the end of a path": [
      "ok",
      { leaf: { ca: true, usage: ["keyCertSign"], ...without("purposes") }, ask: { purpose: "any" } },
    ],
    "CA as the end of a path, another name": [
      "name",
      {
        leaf: { ca: true, usage: ["keyCertSign"], ...without("purposes"), ...dns("ca.example.com") },
        ask: { purpose: "any" },
      },
    ],
  });
});

Deno.test("verifyChain() compares names as RFC 9525 says", async () => {
  const holds = (...names: string[]): Partial<TestCertificate> => ({ names });
  const ask = (name: VerifyOptions["name"]): { ask: VerifyOptions } => ({ ask: { name: name! } });
  await judgeAll({
    "the name": ["ok", { leaf: dns(HOST) }],
    "another domain": ["name", { leaf: dns("example2.com") }],
    "another host": ["name", { leaf: dns("abc.example.com"), ...ask({ dns: "def.example.com" }) }],
    "a host below": ["name", { leaf: dns(HOST), ...ask({ dns: "abc.example.com" }) }],
    "the host above": ["name", { leaf: dns("abc.example.com") }],
    "other case": ["ok", { leaf: dns("EXAMPLE.com"), ...ask({ dns: "Example.COM" }) }],
    "root's dot in the certificate": ["name", { leaf: dns("example.com.") }],
    "root's dot in the question": ["ok", { ...ask({ dns: "example.com." }) }],
    "common name alone": ["name", { leaf: without("names") }],
    "common name of a mailbox alone": [
      "name",
      { leaf: { subject: "user@example.com" }, ...ask({ email: "user@example.com" }) },
    ],
    "wildcard": ["ok", { leaf: dns("*.example.com"), ...ask({ dns: "foo.example.com" }) }],
    "wildcard for an A-label": ["ok", { leaf: dns("*.example.com"), ...ask({ dns: "xn--bcher-kva.example.com" }) }],
    "wildcard for no label": ["name", { leaf: dns("*.example.com") }],
    "wildcard for two labels": ["name", { leaf: dns("*.example.com"), ...ask({ dns: "foo.bar.example.com" }) }],
    "wildcard within a label": ["name", { leaf: dns("ba*.example.com"), ...ask({ dns: "baz.example.com" }) }],
    "wildcard not in front": ["name", { leaf: dns("foo.*.example.com"), ...ask({ dns: "foo.bar.example.com" }) }],
    "wildcard within an A-label": [
      "name",
      { leaf: dns("xn--*-1b3c148a.example.com"), ...ask({ dns: "xn--bliss-1b3c148a.example.com" }) },
    ],
    "wildcard alone": ["name", { leaf: dns("*") }],
    "wildcard alone, for a top": ["name", { leaf: dns("*"), ...ask({ dns: "com" }) }],
    // A public suffix is a matter of lists that change; below a private top, such a wildcard is sound.
    "wildcard below a top": ["ok", { leaf: dns("*.com") }],
    "wildcard in the question": ["name", { leaf: dns("*.example.com"), ...ask({ dns: "*.example.com" }) }],
    "name that is not ASCII": [
      "parse",
      {
        leaf: { names: [primitive(2, utf8String("😜.example.com").subarray(2))] },
        ...ask({ dns: "xn--628h.example.com" }),
      },
    ],
    "international name in the question": ["ok", { leaf: dns("xn--bcher-kva.de"), ...ask({ dns: "bücher.de" }) }],
    "address": ["ok", { leaf: holds("ip:127.0.0.1"), ...ask({ ip: "127.0.0.1" }) }],
    "address, other": ["name", { leaf: holds("ip:127.0.0.1"), ...ask({ ip: "127.0.0.2" }) }],
    "address of six, other spelling": ["ok", { leaf: holds("ip:::1"), ...ask({ ip: "0:0::0:1" }) }],
    "address of four within six": ["name", { leaf: holds("ip:127.0.0.1"), ...ask({ ip: "::ffff:127.0.0.1" }) }],
    "address as a host": ["name", { leaf: dns("127.0.0.1"), ...ask({ ip: "127.0.0.1" }) }],
    "address as a host, asked as one": ["name", { leaf: dns("127.0.0.1"), ...ask({ dns: "127.0.0.1" }) }],
    "address of five octets": ["parse", { leaf: { names: [primitive(7, new Uint8Array(5))] }, ...ask({ ip: "::1" }) }],
    // RFC 1034 knows no underscore; container networks name hosts so, and every verifier in use matches it.
    "underscore": ["ok", { leaf: dns("a_b.example.com"), ...ask({ dns: "a_b.example.com" }) }],
    "empty name": ["name", { leaf: dns(""), ...ask({ dns: "" }) }],
    "space": ["name", { leaf: dns(" "), ...ask({ dns: " " }) }],
    "NUL": ["name", { leaf: dns("example.com\0.evil.org"), ...ask({ dns: HOST }) }],
    "mailbox": ["ok", { leaf: holds("email:user@example.com"), ...ask({ email: "user@EXAMPLE.com" }) }],
    "mailbox, other": ["name", { leaf: holds("email:user@example.com"), ...ask({ email: "other@example.com" }) }],
    "mailbox, other host": ["name", { leaf: holds("email:user@example.com"), ...ask({ email: "user@example.org" }) }],
    "mailbox, other case": ["name", { leaf: holds("email:user@example.com"), ...ask({ email: "User@example.com" }) }],
    "mailbox, second": ["ok", {
      leaf: holds("email:a@b.c", "email:a@example.com"),
      ...ask({ email: "a@example.com" }),
    }],
    "mailbox asked of a host": ["name", { ...ask({ email: "user@example.com" }) }],
    "URI": ["ok", { leaf: holds("uri:spiffe://c/db"), ...ask({ uri: "spiffe://C/db" }) }],
    "URI, other": ["name", { leaf: holds("uri:spiffe://c/db"), ...ask({ uri: "spiffe://c/DB" }) }],
  });
});

Deno.test("verifyChain() holds names against constraints as RFC 5280 §4.2.1.10 says", async () => {
  const any = { name: undefined } as never as VerifyOptions;
  const under = (permitted: string[], names: (string | Uint8Array)[], excluded?: string[]): Chain => ({
    root: excluded === undefined ? { permitted } : { permitted, excluded },
    leaf: { names },
    ask: any,
  });
  const not = (excluded: string[], names: string[]): Chain => ({ root: { excluded }, leaf: { names }, ask: any });
  const other = constructed(0, objectIdentifier("1.3.6.1.4.1.55738.666.3"), constructed(0, NULL));
  const email = "1.2.840.113549.1.9.1";
  const smtpUtf8 = (mailbox: string): Uint8Array =>
    constructed(0, objectIdentifier("1.3.6.1.5.5.7.8.9"), constructed(0, utf8String(mailbox)));
  await judgeAll({
    "host, elsewhere": ["name_constraints", under(["dns:example.com"], ["dns:not-example.com"])],
    "host": ["ok", under(["dns:example.com"], ["dns:example.com"])],
    "host, deeper": ["ok", under(["dns:example.com"], ["dns:foo.bar.example.com"])],
    "host, excluded": ["name_constraints", not(["dns:example.com"], ["dns:example.com"])],
    "host, the second excluded": ["name_constraints", not(["dns:no.example.com"], ["dns:a.org", "dns:no.example.com"])],
    "host, permitted and excluded": [
      "name_constraints",
      under(["dns:example.com"], ["dns:example.com"], ["dns:example.com"]),
    ],
    "host with a leading dot": [
      "name_constraints",
      under(["dns:example.com"], ["dns:.example.com", "dns:a.example.com"]),
    ],
    "wildcard that an exclusion lies in": [
      "name_constraints",
      under(["dns:example.com"], ["dns:*.example.com"], ["dns:bar.example.com"]),
    ],
    "wildcard, one of its hosts permitted": ["name_constraints", under(["dns:foo.example.com"], ["dns:*.example.com"])],
    "constraint with a wildcard": ["name_constraints", under(["dns:*.example.com"], ["dns:foo.example.com"])],
    "constraint with a leading dot": ["name_constraints", under(["dns:.example.com"], ["dns:foo.example.com"])],
    "address, elsewhere": ["name_constraints", under(["ip:192.0.2.0/24"], ["ip:192.0.3.1"])],
    "address": ["ok", under(["ip:192.0.2.0/24"], ["ip:192.0.2.1"])],
    "address, excluded": ["name_constraints", not(["ip:192.0.2.0/24"], ["ip:192.0.2.1"])],
    "address of six": ["ok", under(["ip:::1/128"], ["ip:::1"])],
    "address of six, excluded": ["name_constraints", not(["ip:::1/128"], ["ip:::1"])],
    "constraint that is an address": [
      "parse",
      { root: { permitted: [generalName("ip:127.0.0.1")] }, leaf: { names: ["ip:127.0.0.1"] }, ask: any },
    ],
    "constraint that is an address of six": [
      "parse",
      { root: { permitted: [generalName("ip:::1")] }, leaf: { names: ["ip:::1"] }, ask: any },
    ],
    "name that is a network": ["parse", under(["ip:192.0.2.0/24"], [generalName("ip:192.0.2.0/24"), "ip:192.0.2.1"])],
    "another kind": ["ok", under(["ip:192.0.2.0/24"], ["dns:example.com"])],
    "another kind, excluded": ["ok", not(["ip:192.0.2.0/24"], ["dns:example.com"])],
    "directory, subject and name elsewhere": ["name_constraints", under(["dir:foo"], ["dir:not-foo"])],
    "directory, subject elsewhere": ["name_constraints", under(["dir:foo"], ["dir:foo"])],
    "directory": ["ok", { root: { permitted: ["dir:foo"] }, leaf: { subject: "foo", names: ["dir:foo"] }, ask: any }],
    "directory, subject excluded": ["name_constraints", not([`dir:${HOST}`], ["dir:not-foo"])],
    "mailbox": ["ok", under(["email:foo@example.com"], ["email:foo@example.com"])],
    "mailbox at a host": ["ok", under(["email:example.com"], ["email:foo@example.com"])],
    "mailbox of a star": ["ok", under(["email:*@example.com"], ["email:*@example.com"])],
    "mailbox of a star is one": ["name_constraints", under(["email:*@example.com"], ["email:foo@example.com"])],
    "mailbox that is none": [
      "name_constraints",
      under(["email:example.com"], ["email:a@example.com", "email:a@b@example.com"]),
    ],
    "constraint on a mailbox that is none": [
      "name_constraints",
      under(["email:a@b@example.com"], ["email:a@example.com"]),
    ],
    "mailbox in the subject, no other names": [
      "name_constraints",
      {
        root: { permitted: ["email:example.com"] },
        leaf: { subject: [[email, "a@evil.org"]], ...without("names") },
        ask: any,
      },
    ],
    // RFC 9598 §6: constraints on mailboxes go for international ones too.
    "international mailbox": ["ok", under(["email:example.com"], [smtpUtf8("jürgen@example.com")])],
    "international mailbox, elsewhere": [
      "name_constraints",
      under(["email:example.com"], [smtpUtf8("jürgen@evil.org")]),
    ],
    "international mailbox, excluded": [
      "name_constraints",
      { root: { excluded: ["email:evil.org"] }, leaf: { names: [smtpUtf8("jürgen@evil.org")] }, ask: any },
    ],
    "unknown kind, excluded": [
      "name_constraints",
      { root: { permitted: [`dns:${HOST}`], excluded: [other] }, leaf: { names: [`dns:${HOST}`, other] } },
    ],
    "unknown kind, excluded, not held": ["ok", { root: { permitted: [`dns:${HOST}`], excluded: [other] } }],
    "names of an intermediate": ["name_constraints", { root: { excluded: ["dns:no.org"] }, middle: dns("no.org") }],
    "names of the root itself": ["ok", { root: { permitted: [`dns:${HOST}`], ...dns("other.org") } }],
    "names of an intermediate that issued itself": [
      "ok",
      { root: { subject: "Middle", permitted: [`dns:${HOST}`] }, middle: { issuer: "Middle", ...dns("other.org") } },
    ],
    "names of a leaf that issued itself": [
      "name_constraints",
      { root: { permitted: ["dns:a.org"] }, middle: {}, leaf: { subject: "Middle", ...dns("other.org") }, ask: any },
    ],
  });
});

Deno.test("verifyChain() counts the length of a path as RFC 5280 §6.1.4 says", async () => {
  const keys = [testKey(), testKey(), testKey()];
  const verdict = async (cas: Partial<TestCertificate>[], ask: VerifyOptions = {}): Promise<string> => {
    let [issuer, signer] = ["Root", root];
    const pool = cas.map((of, i) => {
      const one = { subject: `CA ${i}`, issuer, signer, key: keys[i]!, ...of };
      [issuer, signer] = [String(one.subject), one.key];
      return ca(one);
    });
    const leaf = certificate({ subject: "leaf", issuer, signer, key: own });
    const result = await verifyChain(leaf, pool, [ca({ subject: "Root", key: root })], { at: AT, ...ask });
    return result.ok ? "ok" : result.rule;
  };
  const self = { subject: "CA 0" };
  agree({
    zero: ["ok", await verdict([{ pathLength: 0 }])],
    one: ["ok", await verdict([{ pathLength: 1 }])],
    violated: ["path_length", await verdict([{ pathLength: 0 }, { pathLength: 0 }])],
    increased: ["ok", await verdict([{ pathLength: 1 }, { pathLength: 2 }])],
    tooLong: ["path_length", await verdict([{ pathLength: 1 }, { pathLength: 0 }, { pathLength: 0 }])],
    selfIssued: ["ok", await verdict([{ pathLength: 1 }, { ...self, pathLength: 1 }, { pathLength: 0 }])],
    depthZero: ["ok", await verdict([], { maxDepth: 0 })],
    depthZeroExhausted: ["depth", await verdict([{}], { maxDepth: 0 })],
    depthOne: ["ok", await verdict([{}], { maxDepth: 1 })],
    depthOneExhausted: ["depth", await verdict([{}, {}], { maxDepth: 1 })],
    depthOneSelfIssued: ["ok", await verdict([{}, self], { maxDepth: 1 })],
    depthHuge: ["ok", await verdict([{}, {}], { maxDepth: 255 })],
  });
  const leaf = ca({ subject: "CA 1", issuer: "CA 0", key: keys[1]!, signer: keys[0]!, pathLength: 0 });
  const above = ca({ subject: "CA 0", issuer: "Root", key: keys[0]!, signer: root, pathLength: 0 });
  const last = await verifyChain(leaf, [above], [ca({ subject: "Root", key: root })], { at: AT });
  deepEqual(last.ok, true, "the last of a path is no intermediate, though it is a CA's");
});

Deno.test("verifyChain() finds its way as RFC 4158 says", async () => {
  const [a, b, c, a1] = [testKey("p256"), testKey(), testKey(), testKey()];
  const link = (subject: string, key: typeof a, issuer: string, signer: typeof a, of = {}): Uint8Array =>
    ca({ subject, issuer, key, signer, ...of });
  const verdict = async (leaf: Uint8Array, pool: Uint8Array[], roots: Uint8Array[]): Promise<string> => {
    const result = await verifyChain(leaf, pool, roots, { at: AT });
    return result.ok ? `${result.path.length}` : result.rule;
  };
  const below = (issuer: string, signer: typeof a): Uint8Array =>
    certificate({ subject: "leaf", issuer, signer, key: own, names: [`dns:${HOST}`] });
  const rootA = link("A", a, "A", a);
  const expired = { notAfter: new Date(0) };
  const mesh = [link("A1", a1, "A", a), link("A", a, "B", b), link("A", a, "C", c), link("B", b, "A", a)];
  mesh.push(link("B", b, "C", c), link("C", c, "A", a), link("C", c, "B", b));
  const forbids = link("F", b, "A", a, { excluded: ["dns:no.org"] });
  const named = (signer: typeof a, issuer: string): Uint8Array => link("X", c, issuer, signer, dns("no.org"));
  agree({
    mesh: ["3", await verdict(below("A1", a1), mesh, [rootA])],
    circle: ["issuer", await verdict(below("B", b), [link("B", b, "C", c), link("C", c, "B", b)], [rootA])],
    circleOfOne: ["issuer", await verdict(below("B", b), [link("B", b, "B", c), link("B", c, "B", b)], [rootA])],
    rootNotTrusted: ["signature", await verdict(below("A1", a1), [mesh[0]!, rootA], [link("A", own, "A", own)])],
    rootNotTrustedOtherName: ["issuer", await verdict(below("A1", a1), [mesh[0]!, rootA], [link("Z", c, "Z", c)])],
    intermediateTrusted: ["2", await verdict(below("A1", a1), [rootA], [mesh[0]!])],
    expiredCross: ["2", await verdict(below("A", a), [link("A", a, "B", b, expired)], [rootA, link("B", b, "B", b)])],
    expiredRootTwin: ["2", await verdict(below("A", a), [], [link("A", a, "A", a, expired), rootA])],
    sidestep: ["3", await verdict(below("X", c), [forbids, named(b, "F"), named(a, "A")], [rootA])],
    noSidestep: ["name_constraints", await verdict(below("X", c), [forbids, named(b, "F")], [rootA])],
    missing: ["issuer", await verdict(below("A1", a1), [], [rootA])],
  });
});

Deno.test("verifyChain() refuses keys and spellings that are broken", async () => {
  const rsa = sequence(objectIdentifier("1.2.840.113549.1.1.1"), NULL);
  const key = (spki: Uint8Array): Partial<TestCertificate> => ({ key: { ...own, spki } });
  const point = own.spki.subarray(-65);
  const ec = (curve: string, bits: Uint8Array): Uint8Array =>
    sequence(sequence(objectIdentifier("1.2.840.10045.2.1"), objectIdentifier(curve)), bitString(bits));
  const rsaKey = (octets: number, exponent = Uint8Array.of(1, 0, 1)): Uint8Array =>
    sequence(rsa, bitString(sequence(tlv(2, Uint8Array.of(0), new Uint8Array(octets).fill(0xff)), tlv(2, exponent))));
  const pkcs1 = sequence(objectIdentifier("1.2.840.113549.1.1.11"), NULL);
  const large = { ...root, algorithm: pkcs1, sign: () => new Uint8Array(768).fill(1) };
  const squeezed = Uint8Array.of(2 + (point[64]! & 1), ...point.subarray(1, 33));
  await judgeAll({
    "RSA key without a number": ["key", { middle: key(sequence(rsa, bitString(new Uint8Array()))) }],
    "RSA key that is an empty list": ["key", { leaf: key(sequence(rsa, bitString(sequence()))) }],
    "P-192": ["key", { leaf: key(ec("1.2.840.10045.3.1.1", Uint8Array.of(4, ...new Uint8Array(48)))) }],
    "secp256k1": ["key", { leaf: key(ec("1.3.132.0.10", point)) }],
    "point off its curve": ["key", { leaf: key(ec("1.2.840.10045.3.1.7", point.with(40, point[40]! ^ 1))) }],
    "point in short": ["ok", { leaf: key(ec("1.2.840.10045.3.1.7", squeezed)) }],
    "DSA": ["key", { leaf: key(sequence(sequence(objectIdentifier("1.2.840.10040.4.1")), bitString(integer(5)))) }],
    "curve spelled out": [
      "key",
      { leaf: key(sequence(sequence(objectIdentifier("1.2.840.10045.2.1"), sequence(integer(1))), bitString(point))) },
    ],
    "RSA exponent beyond 2^33": ["key", { leaf: key(rsaKey(256, Uint8Array.of(3, 0, 0, 0, 1))) }],
    "RSA key larger than the platform verifies": ["ok", { leaf: key(rsaKey(768)) }],
    "RSA key larger than the platform verifies, of a CA": [
      "algorithm",
      { root: { key: { ...large, ...key(rsaKey(768)).key } }, leaf: { signer: large } },
    ],
    "CA's point in short": ["ok", { root: { key: { ...root, spki: short(root.spki) } } }],
  });
  // §4.1.1.2: the two names of the signature's algorithm must be the same.
  const sound = certificate({ subject: HOST, issuer: "Root", key: own, signer: root });
  const swapped = sequence(sound.subarray(4, -74), middle.algorithm);
  const torn = await verifyChain(swapped, [], [ca({ subject: "Root", key: root })], { at: AT });
  deepEqual(torn.ok || torn.rule, "parse");
});

function short(spki: Uint8Array): Uint8Array {
  const point = spki.subarray(-65);
  const bits = Uint8Array.of(2 + (point[64]! & 1), ...point.subarray(1, 33));
  return sequence(
    sequence(objectIdentifier("1.2.840.10045.2.1"), objectIdentifier("1.2.840.10045.3.1.7")),
    bitString(bits),
  );
}

Deno.test("verifyChain() reads both forms of time, to the second", async () => {
  const leaf = async (from: Uint8Array, until: Uint8Array, at = AT): Promise<string> => {
    const tbs = sequence(
      constructed(0, integer(2)),
      integer(7),
      root.algorithm,
      name("Root"),
      sequence(from, until),
      name("leaf"),
      own.spki,
    );
    const result = await verifyChain(signed(root, tbs), [], [ca({ subject: "Root", key: root })], { at });
    return result.ok ? "ok" : result.rule;
  };
  const utc = (text: string): Uint8Array => tlv(0x17, ascii(text));
  const general = (text: string): Uint8Array => tlv(0x18, ascii(text));
  const from = utc("260101000000Z");
  const until = utc("270101000000Z");
  agree({
    sound: ["ok", await leaf(from, until)],
    // §4.1.2.5 asks CAs for UTCTime until 2049, and applications to process either (NIST PKITS 4.2.4).
    early: ["ok", await leaf(generalizedTime(new Date("2026-01-01T00:00:00Z")), until)],
    late: ["ok", await leaf(from, general("20500101000000Z"))],
    never: ["ok", await leaf(from, general("99991231235959Z"))],
    lastCentury: ["ok", await leaf(utc("500101000000Z"), until)],
    thisCentury: ["ok", await leaf(from, utc("491231235959Z"))],
    first: ["ok", await leaf(utc("260601120000Z"), until)],
    justBefore: ["validity", await leaf(utc("260601120000Z"), until, new Date(AT.getTime() - 1))],
    last: ["ok", await leaf(from, utc("260601120000Z"), new Date(AT.getTime() + 5))],
    after: ["validity", await leaf(from, utc("260601120000Z"), new Date(AT.getTime() + 1000))],
    noSeconds: ["parse", await leaf(utc("2601010000Z"), until)],
    zone: ["parse", await leaf(utc("260101000000+0000"), until)],
    fraction: ["parse", await leaf(from, general("20500101000000.5Z"))],
    local: ["parse", await leaf(from, general("20500101000000"))],
    february: ["parse", await leaf(utc("260230000000Z"), until)],
    hour: ["parse", await leaf(utc("260101240000Z"), until)],
    letter: ["parse", await leaf(utc("26010100000OZ"), until)],
  });
});

Deno.test("verifyChain() judges CRLs as RFC 5280 §5 and §6.3 say", async () => {
  const uri = "http://example.com/cdp.crl";
  const scoped = { crlUris: [uri] };
  const place = (...names: string[]): Uint8Array => constructed(0, constructed(0, ...names.map(generalName)));
  const flag = (number: number): Uint8Array => tlv(0x80 | number, Uint8Array.of(0xff));
  const number = (critical: boolean): Uint8Array => extension(ExtensionId.crlNumber, integer(12345), critical);
  const entry = (critical: boolean): NonNullable<TestCrl["revoked"]> => [
    { serial: 5, extensions: [extension("1.3.6.1.4.1.55738.666.1", NULL, critical)] },
  ];
  const day = 86_400_000;
  const days = (count: number): Date => new Date(AT.getTime() + count * day);
  const verdict = async (
    list: Partial<TestCrl> | Uint8Array,
    of: { leaf?: Partial<TestCertificate>; root?: Partial<TestCertificate>; more?: Uint8Array[] } = {},
  ): Promise<string> => {
    const anchor = ca({ subject: "Root", key: root, ...of.root });
    const leaf = certificate({ subject: "leaf", issuer: "Root", signer: root, key: own, serial: 5, ...of.leaf });
    const der = list instanceof Uint8Array ? list : crl({ issuer: "Root", signer: root, ...list });
    const result = await verifyChain(leaf, [], [anchor], { at: AT, crls: [der, ...of.more ?? []] });
    return result.ok ? "ok" : result.rule;
  };
  const others = [{ serial: 6 }, { serial: 7 }];
  agree({
    revoked: ["revoked", await verdict({ revoked: [{ serial: 5 }] })],
    notRevoked: ["ok", await verdict({ revoked: others })],
    empty: ["ok", await verdict({})],
    large: ["ok", await verdict({ revoked: Array.from({ length: 10_000 }, (_, i) => ({ serial: 1000 + i })) })],
    sameSerialElsewhere: [
      "ok",
      await verdict({}, {
        more: [crl({ issuer: "Other", signer: stranger, revoked: [{ serial: 5 }] })],
      }),
    ],
    otherIssuer: ["revocation", await verdict({ issuer: "Other", signer: stranger, revoked: others })],
    forged: ["revocation", await verdict({ signer: { ...root, sign: stranger.sign } })],
    wrongKey: ["revocation", await verdict({ signer: stranger })],
    mayNotSign: ["revocation", await verdict({}, { root: { usage: ["keyCertSign"] } })],
    noUsage: ["ok", await verdict({}, { root: without("usage") })],
    future: ["revocation", await verdict({ thisUpdate: days(1), nextUpdate: days(30) })],
    past: ["revocation", await verdict({ thisUpdate: days(-60), nextUpdate: days(-30) })],
    // §5.1.2.5: "MUST include"; how old is too old, nobody can tell.
    endless: ["revocation", await verdict({ nextUpdate: null })],
    criticalNumber: ["revocation", await verdict({ plain: true, extensions: [number(true)], revoked: others })],
    unknownCritical: ["revocation", await verdict({ extensions: [unknown] })],
    unknownNotCritical: ["ok", await verdict({ extensions: [extension("1.3.6.1.4.1.55738.666.1", NULL)] })],
    entryUnknownCritical: ["revocation", await verdict({ revoked: entry(true) })],
    entryUnknownNotCritical: ["revoked", await verdict({ revoked: entry(false) })],
    // §5.2.3: "MUST include"; a list without extensions has nowhere to put it, and §5 asks to process those.
    noNumber: [
      "revocation",
      await verdict({ plain: true, extensions: [extension(ExtensionId.authorityKeyIdentifier, keyId(root))] }),
    ],
    noExtensions: ["ok", await verdict({ plain: true })],
    versionOne: ["ok", await verdict({ plain: true, version: null })],
    versionOneRevokes: ["revoked", await verdict({ plain: true, version: null, revoked: [{ serial: 5 }] })],
    versionThree: ["crl", await verdict({ version: 2 })],
    // The RFC does not forbid it, and lists in use have it. Whatever an entry revokes, no other takes back.
    twice: ["ok", await verdict({ revoked: [...others, ...others] })],
    twiceAndTakenBack: [
      "revoked",
      await verdict({ number: 3 }, {
        more: [
          crl({ issuer: "Root", signer: root, number: 4, base: 3, revoked: [{ serial: 5, reason: 8 }, { serial: 5 }] }),
        ],
      }),
    ],
    revokedAgain: ["revoked", await verdict({ revoked: [{ serial: 5, reason: 6 }, { serial: 5, reason: 1 }] })],
    scopeOther: ["revocation", await verdict({ scope: [place("uri:http://example.com/other.crl")] }, { leaf: scoped })],
    scope: ["ok", await verdict({ scope: [place(`uri:${uri}`)] }, { leaf: scoped })],
    scopeOfNone: ["revocation", await verdict({ scope: [place(`uri:${uri}`)] })],
    scopeSpelled: [
      "revocation",
      await verdict({ scope: [place("uri:http://example.com/cdp%2Ecrl")] }, { leaf: scoped }),
    ],
    // One name in common is enough (§6.3.3(b)(2)(i)); that it be a URI, and alone, the CA/Browser Forum asks.
    scopeAmongOthers: ["ok", await verdict({ scope: [place(`uri:${uri}`, "dns:example.com")] }, { leaf: scoped })],
    scopeIndirect: ["ok", await verdict({ scope: [place(`uri:${uri}`), flag(4)] }, { leaf: scoped })],
    scopeOfCas: ["revocation", await verdict({ scope: [flag(2)] })],
    scopeOfUsers: ["ok", await verdict({ scope: [flag(1)] })],
    scopeOfUsersForCa: ["revocation", await verdict({ scope: [flag(1)] }, { leaf: { ca: true } })],
    scopeOfAttributes: ["revocation", await verdict({ scope: [flag(5)] })],
    someReasons: ["revocation", await verdict({ scope: [primitive(3, namedBits([1]).subarray(2))] })],
  });
});
