import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { constructed, extension, integer, objectIdentifier, sequence, tlv } from "../../../lib/pki/encode.ts";
import { inspect } from "../../../lib/pki/inspect.ts";
import { createRootCa, issueCertificate } from "../../../lib/pki/issue.ts";
import { generateKeyPair } from "../../../lib/pki/key.ts";
import { lint, type LintOptions } from "../../../lib/pki/lint.ts";
import { ExtensionId, PurposeId } from "../../../lib/pki/oid.ts";
import { certificate, generalName, name, signed, type TestCertificate, testKey } from "../../support/pki_builder.ts";

const key = testKey();
const signer = testKey();
const SOUND: TestCertificate = {
  subject: "db.internal",
  issuer: "CA",
  key,
  signer,
  serial: 0x0123456789abcdefn,
  ca: false,
  usage: ["digitalSignature"],
  purposes: [PurposeId.serverAuth],
  names: ["dns:db.internal"],
};
const AUTHORITY: TestCertificate = {
  subject: "CA",
  key,
  serial: 0x0123456789abcdefn,
  ca: true,
  usage: ["keyCertSign"],
};

function codes(of: Partial<TestCertificate>, options?: LintOptions & { readonly base?: TestCertificate }): string[] {
  return lint(certificate({ ...options?.base ?? SOUND, ...of }), options).map((finding) => finding.code);
}

Deno.test("lint() finds nothing in a sound certificate", () => {
  deepEqual(codes({}, { profile: "server" }), []);
  deepEqual(codes({}, { base: AUTHORITY }), []);
});

Deno.test("lint() finds nothing in the certificates we make", async () => {
  for (const algorithm of ["ec-p256", "rsa-2048", "ed25519"] as const) {
    const pair = await generateKeyPair(algorithm);
    const ca = await createRootCa({
      commonName: "Example CA",
      key: pair,
      pathLength: 1,
      permit: { dns: ["internal"] },
    });
    deepEqual(lint(ca.pem, { profile: "root" }), []);
    for (const profile of ["server", "client", "peer", "intermediate"] as const) {
      const issued = await issueCertificate({
        issuer: { certificate: ca.pem, key: pair },
        profile,
        publicKey: (await generateKeyPair(algorithm)).publicKey,
        commonName: "db.internal",
        ...(profile === "intermediate" ? {} : { names: { dns: ["db.internal"] } }),
      });
      deepEqual(lint(issued.pem, { profile }), [], `${algorithm} ${profile}`);
    }
  }
});

Deno.test("lint() names what breaks RFC 5280", () => {
  deepEqual({
    zero: codes({ serial: 0 }),
    negative: codes({ serial: -(1n << 70n) }),
    long: codes({ serial: 1n << 159n }),
    backwards: codes({ notBefore: new Date("2026-06-01"), notAfter: new Date("2026-05-01") }),
    twice: codes({ extensions: [extension("1.2.3", tlv(5)), extension("1.2.3", tlv(5))] }),
    rotten: codes({ names: undefined, extensions: [extension(ExtensionId.subjectAltName, tlv(5))] } as never),
    critical: codes({
      keyIds: false,
      extensions: [extension(ExtensionId.authorityKeyIdentifier, sequence(tlv(0x80, key.id)), true)],
    }),
    spelled: codes({
      extensions: [sequence(objectIdentifier("1.2.3"), tlv(1, Uint8Array.of(0)), tlv(4, tlv(5)))],
    }),
    certSign: codes({ usage: ["digitalSignature", "keyCertSign"] }),
    constraining: codes({ permitted: ["dns:a"] }),
    pathLength: codes({ pathLength: 1 }),
    noKeyIds: codes({ keyIds: false }),
    noIssuer: codes({ issuer: "" }),
    noSubject: codes({ subject: "", criticalNames: false }),
    address: codes({ names: ["dns:10.0.0.1", "dns:a b", "email:a", "uri:/x"] }),
    country: codes({ subject: [["2.5.4.6", tlv(0x13, new TextEncoder().encode("Germany"))]] }),
    long64: codes({ subject: "x".repeat(65) }),
    usage: codes({ usage: ["cRLSign"] }),
    noUsage: codes({ usage: [] }),
    weak: codes({ key: testKey("rsa", { modulusLength: 1024 }) }),
  }, {
    zero: ["serial_not_positive", "serial_guessable"],
    negative: ["serial_not_positive"],
    long: ["serial_too_long"],
    backwards: ["validity_empty"],
    twice: ["duplicate_extension"],
    rotten: ["unreadable_extension"],
    critical: ["critical", "no_subject_key_identifier"],
    spelled: ["default_encoded"],
    certSign: ["key_cert_sign"],
    constraining: ["only_for_ca"],
    pathLength: ["path_length"],
    noKeyIds: ["no_authority_key_identifier", "no_subject_key_identifier"],
    noIssuer: ["no_issuer"],
    noSubject: ["no_subject"],
    address: ["dns_name", "dns_name", "email", "uri"],
    country: ["country"],
    long64: ["common_name_too_long"],
    usage: ["inconsistent_usage"],
    noUsage: ["key_usage_empty", "inconsistent_usage"],
    weak: ["weak_key"],
  } as never);
});

Deno.test("lint() names what a CA lacks", () => {
  const base = AUTHORITY;
  deepEqual(codes({ usage: undefined, keyIds: false } as never, { base }), [
    "ca_key_usage",
    "no_subject_key_identifier",
  ]);
  deepEqual(codes({ usage: ["cRLSign"] }, { base }), ["ca_key_usage"]);
  const loose = extension(ExtensionId.basicConstraints, sequence(tlv(1, Uint8Array.of(0xff))));
  deepEqual(codes({ ca: undefined, extensions: [loose] } as never, { base }), ["not_critical"]);
});

Deno.test("lint() names times in the wrong form", () => {
  const generalized = tlv(0x18, new TextEncoder().encode("20260101000000Z"));
  const tbs = sequence(
    constructed(0, integer(2)),
    integer(0x0123456789abcdefn),
    signer.algorithm,
    name("CA"),
    sequence(generalized, tlv(0x17, new TextEncoder().encode("270101000000Z"))),
    name("leaf"),
    key.spki,
    constructed(3, sequence(extension(ExtensionId.authorityKeyIdentifier, sequence(tlv(0x80, signer.id))))),
  );
  deepEqual(lint(signed(signer, tbs)).map((finding) => finding.code), ["time_form", "no_subject_key_identifier"]);
});

Deno.test("lint() holds a certificate against a profile, and says where each rule stands", () => {
  const findings = lint(
    certificate({ ...SOUND, purposes: [PurposeId.clientAuth], names: ["uri:spiffe://a.internal/b"] }),
    {
      profile: "peer",
    },
  );
  deepEqual(findings.map((finding) => [finding.code, finding.severity]), [["profile_purpose", "error"]]);
  ok(findings.every((finding) => finding.section !== "" && finding.message !== ""));
  deepEqual(codes({ names: ["dns:*.internal"] }, { profile: "peer" }), ["profile_purpose", "profile_wildcard"]);
  const { ca: _, purposes: _p, ...bare } = SOUND;
  deepEqual(codes({}, { profile: "server", base: bare }), ["profile_basic_constraints", "profile_purpose"]);
  deepEqual(codes({ subject: [["2.5.4.10", "Org"]] }, { profile: "server" }), ["profile_subject"]);
  const loose = {
    keyIds: false,
    extensions: [
      extension(ExtensionId.extendedKeyUsage, sequence(objectIdentifier(PurposeId.serverAuth)), true),
      extension(ExtensionId.subjectKeyIdentifier, tlv(4, key.id)),
      extension(
        ExtensionId.authorityKeyIdentifier,
        sequence(tlv(0x80, signer.id), constructed(1, generalName("dir:Root")), tlv(0x82, Uint8Array.of(1))),
      ),
    ],
  };
  deepEqual(codes({ ...loose, ca: false }, { profile: "server", base: bare }), [
    "profile_purpose",
    "profile_authority",
  ]);
  deepEqual(codes({ version: 0 }, { profile: "server", base: { key, signer } }), [
    "profile_version",
    "profile_key_usage",
    "profile_purpose",
    "profile_names",
    "serial_guessable",
    "version",
  ]);
  equal(codes({}, { profile: "root" }).includes("profile_ca"), true);
  throws(() => lint(certificate(SOUND), { profile: "toString" as never }), TypeError);
  throws(() => lint(certificate(SOUND).subarray(1)), { code: "invalid_der" });
});

Deno.test("lint() and inspect() take no longer for a certificate with everything in it thousands of times", () => {
  const many = Array.from({ length: 20_000 }, (_, i) => i);
  const mail = (i: number) => tlv(0x16, new TextEncoder().encode(`${i}@b.example`));
  const der = certificate({
    ...AUTHORITY,
    subject: many.map((i) => ["1.2.840.113549.1.9.1", mail(i)] as const),
    names: many.map((i) => `email:${i}@c.example`),
    permitted: many.map((i) => `dns:${i}.example`),
    policies: many.map((i) => `1.2.3.${i}`),
    mappings: many.map((i) => [`1.2.4.${i}`, `1.2.5.${i}`] as const),
    extensions: many.map((i) => extension(`1.2.6.${i}`, tlv(5))),
  });
  const start = performance.now();
  ok(lint(der).length > 0);
  equal(inspect(der).names.length, many.length);
  const spent = performance.now() - start;
  ok(spent < 5_000, `${spent} ms`);
});
