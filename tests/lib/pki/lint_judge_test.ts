import { deepEqual, ok } from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  ascii,
  boolean,
  constructed,
  extension,
  integer,
  namedBits,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  tlv,
  utf8String,
} from "../../../lib/pki/encode.ts";
import { lint } from "../../../lib/pki/lint.ts";
import { ExtensionId, PurposeId } from "../../../lib/pki/oid.ts";
import { pemEncode } from "../../../lib/pki/pem.ts";
import { certificate, generalName, type TestCertificate, testKey } from "../../support/pki_builder.ts";
import { temporaryFolder } from "../../support/process.ts";
import { lacking, tool } from "../../support/tools.ts";

const execute = promisify(execFile);

const key = testKey("p256");
const signer = testKey("p256");
const rsa = testKey("rsa");
const edwards = testKey();
const LEAF: TestCertificate = {
  subject: "db.internal",
  issuer: "CA",
  key,
  signer,
  serial: 0x0123456789abcdef0123n,
  ca: false,
  usage: ["digitalSignature"],
  purposes: [PurposeId.serverAuth],
  names: ["dns:db.internal"],
};
const CA: TestCertificate = {
  subject: "CA",
  key,
  signer,
  issuer: "Root",
  serial: 0x0123456789abcdef0123n,
  ca: true,
  usage: ["keyCertSign", "cRLSign"],
};
const printable = (text: string) => tlv(0x13, ascii(text));
const qualifier = (id: string, ...value: readonly Uint8Array[]) => sequence(objectIdentifier(id), ...value);
const policy = (id: string, ...qualifiers: readonly Uint8Array[]) =>
  extension(ExtensionId.certificatePolicies, sequence(sequence(objectIdentifier(id), sequence(...qualifiers))));
const notice = (...parts: readonly Uint8Array[]) => policy("1.2.3", qualifier("1.3.6.1.5.5.7.2.2", sequence(...parts)));
const usage = (...octets: readonly number[]) => extension(ExtensionId.keyUsage, tlv(3, Uint8Array.from(octets)), true);
const constraint = (...parts: readonly Uint8Array[]) =>
  extension(ExtensionId.nameConstraints, sequence(constructed(0, sequence(...parts))), true);
const name = (of: string) => [["2.5.4.3", "x"], ["2.5.4.10", of]] as const;

const leaf = (of: Partial<TestCertificate>): TestCertificate => ({ ...LEAF, ...of });
const authority = (of: Partial<TestCertificate>): TestCertificate => ({ ...CA, ...of });
const { usage: _usage, ...silent } = LEAF;
const { ca: _ca, ...unsaid } = LEAF;
const { names: _names, ...nameless } = LEAF;

/** Certificates with one thing wrong each, and sound ones of unusual kinds. */
const CORPUS: Readonly<Record<string, TestCertificate>> = {
  "a sound leaf": LEAF,
  "a sound CA": CA,
  "a sound RSA leaf": leaf({ key: rsa, usage: ["digitalSignature", "keyEncipherment"] }),
  "a sound Ed25519 leaf": leaf({ key: edwards }),
  "names of every kind": leaf({
    names: [
      "dns:db.internal",
      "dns:*.db.internal",
      "dns:xn--bcher-kva.internal",
      "ip:10.0.0.1",
      "ip:2001:db8::1",
      "email:a@b.example",
      "uri:spiffe://cluster.example/db",
      "dir:x",
    ],
  }),
  "a subject of many parts": leaf({
    subject: [["2.5.4.6", printable("DE")], ["2.5.4.8", "Hessen"], ["2.5.4.10", "Größe & Söhne"], ["2.5.4.3", "x"]],
  }),
  "no subject, critical names": leaf({ subject: "" }),
  "constraints of every kind": authority({
    permitted: ["dns:internal", "ip:10.0.0.0/8", "email:b.example", "uri:.c.example", "dir:x"],
    excluded: ["ip:2001:db8::/32"],
  }),
  "policies": authority({
    policies: ["1.2.3"],
    mappings: [["1.2.3", "1.2.4"]],
    requireExplicitPolicy: 0,
    inhibitAnyPolicy: 1,
  }),
  "a distribution point": leaf({ crlUris: ["http://crl.internal/ca.crl"] }),
  "a notice": leaf({ extensions: [notice(utf8String("Mind the gap"))] }),
  "a serial of zero": leaf({ serial: 0 }),
  "a negative serial": leaf({ serial: -(1n << 70n) }),
  "a serial of 21 octets": leaf({ serial: 1n << 160n }),
  "an end before the beginning": leaf({ notBefore: new Date("2026-06-01"), notAfter: new Date("2026-05-01") }),
  "no issuer": leaf({ issuer: "" }),
  "no subject, names not critical": leaf({ subject: "", criticalNames: false }),
  "neither subject nor names": { ...nameless, subject: "" },
  "a CA without a subject": authority({ subject: "" }),
  "a common name of 65": leaf({ subject: "x".repeat(65) }),
  "an organization of 65": leaf({ subject: name("x".repeat(65)) }),
  "a locality of 129": leaf({ subject: [["2.5.4.3", "x"], ["2.5.4.7", "x".repeat(129)]] }),
  "a mail address of 256": leaf({ subject: [["1.2.840.113549.1.9.1", tlv(0x16, ascii(`${"x".repeat(250)}@b.com`))]] }),
  "a country in UTF-8": leaf({ subject: [["2.5.4.6", "DE"], ["2.5.4.3", "x"]] }),
  "a country in lower case": leaf({ subject: [["2.5.4.6", printable("de")], ["2.5.4.3", "x"]] }),
  "a serial number in UTF-8": leaf({ subject: [["2.5.4.5", "7"], ["2.5.4.3", "x"]] }),
  "a PrintableString with an at sign": leaf({ subject: [["2.5.4.10", printable("a@b")], ["2.5.4.3", "x"]] }),
  "a control character": leaf({ subject: name("a\u0007b") }),
  "a replacement character": leaf({ subject: name("a\ufffdb") }),
  "a space at an end": leaf({ subject: name("a ") }),
  "a mail address in the subject": leaf({ subject: [["1.2.840.113549.1.9.1", tlv(0x16, ascii("a@b.com"))]] }),
  "an empty host name": leaf({ names: ["dns:"] }),
  "an empty label": leaf({ names: ["dns:a..b.com"] }),
  "a label of 64": leaf({ names: [`dns:${"a".repeat(64)}.com`] }),
  "a name of 254": leaf({
    names: [`dns:${"a".repeat(49)}.${"b".repeat(50)}.${"c".repeat(50)}.${"d".repeat(50)}.${"e".repeat(50)}`],
  }),
  "a hyphen at the end": leaf({ names: ["dns:a.b-.com"] }),
  "an underscore": leaf({ names: ["dns:a.b_c.com"] }),
  "a space in a name": leaf({ names: ["dns: "] }),
  "a dot before a name": leaf({ names: ["dns:.b.com"] }),
  "a NUL in a name": leaf({ names: ["dns:a\0.b.com"] }),
  "a bare wildcard": leaf({ names: ["dns:*"] }),
  "a wildcard inside": leaf({ names: ["dns:a.*.com"] }),
  "an A-label of nothing": leaf({ names: ["dns:xn--a.com"] }),
  "an empty mail address": leaf({ names: ["email:"] }),
  "a mail address in brackets": leaf({ names: ["email:<a@b.com>"] }),
  "a URI without a scheme": leaf({ names: ["uri:/x"] }),
  "a URI of a scheme alone": leaf({ names: ["uri:x:"] }),
  "a URI with a bad host": leaf({ names: ["uri:http://a_b!/"] }),
  "a URI with a host of one label": leaf({ names: ["uri:spiffe://cluster/db"] }),
  "names of an issuer that are none": leaf({
    extensions: [extension(ExtensionId.issuerAltName, sequence(generalName("dns:a..b"), generalName("uri:/x")))],
  }),
  "no names of its issuer": leaf({ extensions: [extension(ExtensionId.issuerAltName, sequence())] }),
  "critical names of its issuer": leaf({
    extensions: [extension(ExtensionId.issuerAltName, sequence(generalName("dns:ca.internal")), true)],
  }),
  "an empty list of names": leaf({ names: [] }),
  "no usage at all": leaf({ usage: [] }),
  "usage that is not critical": { ...silent, extensions: [extension(ExtensionId.keyUsage, namedBits([0]))] },
  "usage with bits too many": { ...silent, extensions: [usage(0, 0x80)] },
  "usage of ten bits": { ...silent, extensions: [usage(6, 0x80, 0x40)] },
  "a leaf that signs certificates": leaf({ usage: ["digitalSignature", "keyCertSign"] }),
  "a leaf with a path length": leaf({ pathLength: 1 }),
  "a CA that may not sign and has a path length": authority({ usage: ["cRLSign"], pathLength: 1 }),
  "a leaf that spells out that it is one": {
    ...unsaid,
    extensions: [extension(ExtensionId.basicConstraints, sequence(boolean(false)), true)],
  },
  "a CA whose constraints are not critical": {
    ...CA,
    ca: undefined,
    extensions: [extension(ExtensionId.basicConstraints, sequence(boolean(true)))],
  } as never,
  "an EC key that enciphers": leaf({ usage: ["keyEncipherment"] }),
  "an Ed25519 key that enciphers": leaf({ key: edwards, usage: ["digitalSignature", "keyEncipherment"] }),
  "an RSA key that agrees": leaf({ key: rsa, usage: ["digitalSignature", "keyAgreement"] }),
  "usage and purpose that do not fit": leaf({ usage: ["cRLSign"] }),
  "any purpose, critical": leaf({
    purposes: undefined,
    extensions: [extension(ExtensionId.extendedKeyUsage, sequence(objectIdentifier(PurposeId.any)), true)],
  } as never),
  "no purpose": leaf({ purposes: [] }),
  "no identifiers of keys": leaf({ keyIds: false }),
  "a critical identifier of its key": leaf({
    keyIds: false,
    extensions: [
      extension(ExtensionId.subjectKeyIdentifier, octetString(key.id), true),
      extension(ExtensionId.authorityKeyIdentifier, sequence(primitive(0, signer.id))),
    ],
  }),
  "a critical identifier of its issuer's key": leaf({
    keyIds: false,
    extensions: [
      extension(ExtensionId.subjectKeyIdentifier, octetString(key.id)),
      extension(ExtensionId.authorityKeyIdentifier, sequence(primitive(0, signer.id)), true),
    ],
  }),
  "a CA that does not name its key": authority({ keyIds: false }),
  "an extension that spells out it is not critical": leaf({
    extensions: [sequence(objectIdentifier("1.2.3"), boolean(false), octetString(tlv(5)))],
  }),
  "an extension twice": leaf({ extensions: [extension("1.2.3", tlv(5)), extension("1.2.3", tlv(5))] }),
  "constraints in a leaf": leaf({ permitted: ["dns:a.com"] }),
  "constraints that are not critical": authority({
    extensions: [extension(ExtensionId.nameConstraints, sequence(constructed(0, sequence(generalName("dns:a.com")))))],
  }),
  "empty constraints": authority({ extensions: [extension(ExtensionId.nameConstraints, sequence(), true)] }),
  "a constraint with a minimum": authority({
    extensions: [constraint(generalName("dns:a.com"), primitive(0, Uint8Array.of(1)))],
  }),
  "a constraint with a maximum": authority({
    extensions: [constraint(generalName("dns:a.com"), primitive(1, Uint8Array.of(1)))],
  }),
  "a constraint of a URI that is no host": authority({ permitted: ["uri:http://a.com"] }),
  "a constraint of registered identifiers": authority({
    extensions: [constraint(primitive(8, Uint8Array.of(0x2a, 3)))],
  }),
  "a critical place of its issuer": leaf({
    extensions: [
      extension(
        "1.3.6.1.5.5.7.1.1",
        sequence(sequence(objectIdentifier("1.3.6.1.5.5.7.48.2"), generalName("uri:http://a.com/"))),
        true,
      ),
    ],
  }),
  "a place of its issuer that is none": leaf({
    extensions: [
      extension("1.3.6.1.5.5.7.1.1", sequence(sequence(objectIdentifier("1.3.6.1.5.5.7.48.2"), generalName("dns:a")))),
    ],
  }),
  "a critical distribution point": leaf({
    extensions: [
      extension(
        ExtensionId.crlDistributionPoints,
        sequence(sequence(constructed(0, constructed(0, generalName("uri:http://a.com/"))))),
        true,
      ),
    ],
  }),
  "a distribution point of reasons alone": leaf({
    extensions: [extension(ExtensionId.crlDistributionPoints, sequence(sequence(namedBits([1], 0x81))))],
  }),
  "a distribution point without a place": leaf({
    extensions: [
      extension(
        ExtensionId.crlDistributionPoints,
        sequence(sequence(constructed(0, constructed(0, generalName("dir:x"))))),
      ),
    ],
  }),
  "a critical freshest list": leaf({
    extensions: [
      extension(
        ExtensionId.freshestCrl,
        sequence(sequence(constructed(0, constructed(0, generalName("uri:http://a.com/"))))),
        true,
      ),
    ],
  }),
  "a policy twice": leaf({ policies: ["1.2.3", "1.2.3"] }),
  "anyPolicy with a qualifier of its own": leaf({ extensions: [policy("2.5.29.32.0", qualifier("1.2.3.4", tlv(5)))] }),
  "a notice by reference": leaf({
    extensions: [notice(sequence(utf8String("Org"), sequence(integer(1))), utf8String("x"))],
  }),
  "a notice as IA5String": leaf({ extensions: [notice(tlv(0x16, ascii("x")))] }),
  "a notice as VisibleString": leaf({ extensions: [notice(tlv(0x1a, ascii("x")))] }),
  "a notice of 201": leaf({ extensions: [notice(utf8String("x".repeat(201)))] }),
  "a notice with a control character": leaf({ extensions: [notice(utf8String("a\u0007b"))] }),
  "a mapping to anyPolicy": authority({ policies: ["1.2.3"], mappings: [["1.2.3", "2.5.29.32.0"]] }),
  "a mapping of a policy it does not have": authority({ policies: ["1.2.3"], mappings: [["1.2.5", "1.2.4"]] }),
  "empty policy constraints": authority({ extensions: [extension(ExtensionId.policyConstraints, sequence(), true)] }),
  "policy constraints that are not critical": authority({
    extensions: [extension(ExtensionId.policyConstraints, sequence(primitive(0, Uint8Array.of(0))))],
  }),
  "inhibitAnyPolicy that is not critical": authority({
    extensions: [extension(ExtensionId.inhibitAnyPolicy, integer(1))],
  }),
  "critical attributes of the directory": leaf({
    extensions: [extension(ExtensionId.subjectDirectoryAttributes, sequence(sequence()), true)],
  }),
  "an empty list of log promises": leaf({
    extensions: [extension(ExtensionId.signedCertificateTimestamps, octetString(Uint8Array.of(0, 0)))],
  }),
  "an RSA key without NULL": leaf({
    key: { ...rsa, spki: withoutNull(rsa.spki) },
    usage: ["digitalSignature"],
  }),
  "an RSA signature without NULL": leaf({
    signer: { ...rsa, algorithm: sequence(objectIdentifier("1.2.840.113549.1.1.11")) },
  }),
};

/** A `SubjectPublicKeyInfo` of RSA whose parameters are absent. */
function withoutNull(spki: Uint8Array): Uint8Array {
  const bits = spki.subarray(spki.indexOf(0x03, 4 + 15));
  return sequence(sequence(objectIdentifier("1.2.840.113549.1.1.1")), bits);
}

/** Where we differ, theirs before ours: what the RFCs forbid and they do not see, and what no RFC forbids and we warn of. */
const KNOWN: Readonly<Record<string, string>> = {
  "a constraint of a URI that is no host": " / subtree_name",
  "an A-label of nothing": " / dns_name",
  "an Ed25519 key that enciphers": " / key_usage",
  "a control character": "e_subject_dn_not_printable_characters / string_control",
  "a replacement character": "e_utf8_replacement_char_in_subject / string_control",
  "an underscore": "e_rfc_dnsname_underscore_in_sld / dns_name",
  "a URI with a host of one label": "e_ext_san_uri_host_not_fqdn_or_ip / uri",
};

Deno.test({
  name: "lint() names whatever zlint names by an RFC, and calls nothing an error that zlint does not know",
  ignore: lacking("zlint"),
  async fn() {
    await using folder = await temporaryFolder();
    const specimens = await Promise.all(
      Object.entries(CORPUS).map(async ([what, of], i) => {
        const der = certificate(of);
        const file = join(folder.path, `${String(i).padStart(3, "0")}.pem`);
        await writeFile(file, pemEncode("CERTIFICATE", der));
        return { what, der, file };
      }),
    );
    const differences: Record<string, string> = {};
    await Promise.all(specimens.map(async ({ what, der, file }) => {
      const theirs = await zlint(file);
      const ours = lint(der);
      const errors = ours.some(({ severity }) => severity === "error");
      const missed = theirs.errors.length > 0 ? !errors : theirs.warnings.length > 0 && ours.length === 0;
      const invented = theirs.errors.length + theirs.warnings.length === 0 && errors;
      if (missed || invented) {
        differences[what] = `${[...theirs.errors, ...theirs.warnings]} / ${ours.map((f) => f.code)}`;
      }
    }));
    ok(specimens.length > 80);
    deepEqual(differences, KNOWN);
  },
});

/** What zlint finds by the RFCs and the community's lints; rules of root programs do not bind private CAs. */
async function zlint(file: string): Promise<{ errors: string[]; warnings: string[] }> {
  const foreign = "Apple,CABF_BR,CABF_CS_BR,CABF_EV,CABF_SMIME_BR,Chrome,ETSI_ESI,Mozilla";
  // It ends with an error when it cannot read the certificate at all.
  const text = await execute(tool("zlint"), ["-excludeSources", foreign, file]).then(({ stdout }) => stdout, () => "");
  if (text === "") return { errors: ["unreadable"], warnings: [] };
  const results = Object.entries(JSON.parse(text) as Record<string, { result: string }>);
  const of = (wanted: RegExp) => results.filter(([, { result }]) => wanted.test(result)).map(([name]) => name);
  return { errors: of(/error|fatal/), warnings: of(/warn/) };
}
