import { deepEqual, equal } from "node:assert/strict";
import { constructed, extension, integer, primitive, sequence } from "../../../lib/pki/encode.ts";
import { ExtensionId } from "../../../lib/pki/oid.ts";
import { verifyChain } from "../../../lib/pki/verify/verify_chain.ts";
import {
  AT,
  ca,
  certificate,
  generalName,
  type TestCertificate,
  type TestGeneralName,
  testKey,
  text,
} from "../../support/pki_builder.ts";

const root = testKey();
const own = testKey();

interface Constraints {
  readonly permitted?: readonly TestGeneralName[];
  readonly excluded?: readonly TestGeneralName[];
}

/** Whether a leaf with these names may stand under these constraints. */
async function allows(constraints: Constraints, names: readonly string[], of: Partial<TestCertificate> = {}) {
  const anchor = ca({ subject: "Root", key: root, ...constraints });
  const leaf = certificate({ subject: "leaf", issuer: "Root", key: own, signer: root, names, ...of });
  const result = await verifyChain(leaf, [], [anchor], { at: AT });
  return result.ok ? true : result.rule === "name_constraints" ? false : result.rule;
}

/** Judges names one by one under the same constraints. */
async function each(constraints: Constraints, names: readonly string[]): Promise<Record<string, unknown>> {
  const verdicts: Record<string, unknown> = {};
  for (const name of names) verdicts[name] = await allows(constraints, [name]);
  return verdicts;
}

Deno.test("name constraints on hosts go by whole labels", async () => {
  deepEqual(
    await each({ permitted: ["dns:example.com"] }, [
      "dns:badexample.com",
      "dns:example.com.evil.org",
      "dns:com",
      "dns:*.com",
      "dns:.example.com",
      "dns:a..example.com",
      "dns:a.*.example.com",
      "dns:f*.example.com",
      "dns:example.com.",
      "dns:",
      "dns:a.example.com\0.evil.org",
      "dns:example.com",
      "dns:EXAMPLE.com",
      "dns:a.b.example.com",
      "dns:*.example.com",
      "dns:_acme.example.com",
      "ip:10.0.0.1",
      "email:a@evil.org",
    ]),
    {
      "dns:badexample.com": false,
      "dns:example.com.evil.org": false,
      "dns:com": false,
      "dns:*.com": false,
      "dns:.example.com": false,
      "dns:a..example.com": false,
      "dns:a.*.example.com": false,
      "dns:f*.example.com": false,
      "dns:example.com.": false,
      "dns:": false,
      "dns:a.example.com\0.evil.org": false,
      "dns:example.com": true,
      "dns:EXAMPLE.com": true,
      "dns:a.b.example.com": true,
      "dns:*.example.com": true,
      "dns:_acme.example.com": true,
      "ip:10.0.0.1": true,
      "email:a@evil.org": true,
    },
  );
});

Deno.test("name constraints refuse a wildcard that overlaps an excluded subtree", async () => {
  deepEqual(
    await each({ excluded: ["dns:secret.example.com"] }, [
      "dns:*.example.com",
      "dns:*.secret.example.com",
      "dns:secret.example.com",
      "dns:a.secret.example.com",
      "dns:*.com",
      "dns:*.other.example.com",
      "dns:notsecret.example.com",
      "dns:example.com",
    ]),
    {
      "dns:*.example.com": false,
      "dns:*.secret.example.com": false,
      "dns:secret.example.com": false,
      "dns:a.secret.example.com": false,
      "dns:*.com": true,
      "dns:*.other.example.com": true,
      "dns:notsecret.example.com": true,
      "dns:example.com": true,
    },
  );
  equal(await allows({ permitted: ["dns:a.example.com"] }, ["dns:*.example.com"]), false);
});

Deno.test("name constraints on hosts that mean nothing refuse every host", async () => {
  for (const base of ["dns:*.example.com", "dns:.example.com", "dns:a..b", "dns:example.com."]) {
    equal(await allows({ permitted: [base] }, ["dns:a.example.com"]), false, base);
    equal(await allows({ excluded: [base] }, ["dns:other.org"]), false, base);
    equal(await allows({ excluded: [base] }, ["ip:10.0.0.1"]), true, base);
  }
  equal(await allows({ permitted: ["dns:"] }, ["dns:any.thing"]), true);
  equal(await allows({ excluded: ["dns:"] }, ["dns:any.thing"]), false);
});

Deno.test("name constraints on addresses go by mask, and by version", async () => {
  deepEqual(await each({ permitted: ["ip:10.1.0.0/16", "ip:2001:db8::/33"] }, ["ip:10.1.2.3", "ip:10.2.0.1"]), {
    "ip:10.1.2.3": true,
    "ip:10.2.0.1": false,
  });
  deepEqual(
    await each({ permitted: ["ip:2001:db8::/33"] }, ["ip:2001:db8::1", "ip:2001:db8:8000::1", "ip:32.1.13.184"]),
    {
      "ip:2001:db8::1": true,
      "ip:2001:db8:8000::1": false,
      "ip:32.1.13.184": false,
    },
  );
  equal(await allows({ excluded: ["ip:0.0.0.0/0"] }, ["ip:10.0.0.1"]), false);
  equal(await allows({ excluded: ["ip:0.0.0.0/0"] }, ["ip:::1"]), true);
  const gappy = primitive(7, Uint8Array.of(10, 0, 0, 0, 255, 0, 255, 0));
  equal(await allows({ permitted: [gappy] }, ["ip:10.0.0.1"]), false);
  equal(await allows({ permitted: [primitive(7, Uint8Array.of(10, 0, 0, 0))] }, ["ip:10.0.0.0"]), "parse");
});

Deno.test("name constraints on mailboxes name a mailbox, a host, or the hosts below one", async () => {
  const names = [
    "email:a@example.com",
    "email:a@EXAMPLE.com",
    "email:A@example.com",
    "email:b@example.com",
    "email:b@sub.example.com",
    "email:a@b@example.com",
    "email:example.com",
    'email:"a"@example.com',
  ];
  deepEqual(Object.values(await each({ permitted: ["email:a@example.com"] }, names)), [
    true,
    true,
    false,
    false,
    false,
    false,
    false,
    true,
  ]);
  deepEqual(Object.values(await each({ permitted: ["email:example.com"] }, names)), [
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    true,
  ]);
  deepEqual(Object.values(await each({ permitted: ["email:.example.com"] }, names)), [
    false,
    false,
    false,
    false,
    true,
    false,
    false,
    false,
  ]);
  equal(await allows({ permitted: ["email:a@b@example.com"] }, ["email:a@example.com"]), false);
});

Deno.test("name constraints on mailboxes reach those in the subject", async () => {
  const subject = [["1.2.840.113549.1.9.1", "a@evil.org"], ["2.5.4.3", "leaf"]] as const;
  const constraints = { permitted: ["email:example.com"] };
  equal(await allows(constraints, ["dns:a.org"], { subject }), false);
  equal(await allows(constraints, ["email:a@example.com"], { subject }), true);
  equal(await allows({ excluded: ["email:evil.org"] }, ["dns:a.org"], { subject }), false);
});

Deno.test("name constraints on URIs go by host", async () => {
  deepEqual(
    await each({ permitted: ["uri:example.com", "uri:.example.org"] }, [
      "uri:https://example.com:8443/x?y",
      "uri:https://user@example.com/",
      "uri:https://a.example.com/",
      "uri:https://a.example.org/",
      "uri:https://example.org/",
      "uri:https://example.com@evil.org/",
      "uri:https://10.0.0.1/",
      "uri:https://[::1]/",
      "uri:urn:example.com",
      "uri:spiffe://example.com/db",
      "uri:https://evil.org/https://example.com/",
    ]),
    {
      "uri:https://example.com:8443/x?y": true,
      "uri:https://user@example.com/": true,
      "uri:https://a.example.com/": false,
      "uri:https://a.example.org/": true,
      "uri:https://example.org/": false,
      "uri:https://example.com@evil.org/": false,
      "uri:https://10.0.0.1/": false,
      "uri:https://[::1]/": false,
      "uri:urn:example.com": false,
      "uri:spiffe://example.com/db": true,
      "uri:https://evil.org/https://example.com/": false,
    },
  );
});

Deno.test("name constraints on directory names reach subject and alternative name", async () => {
  const under = (name: string): TestCertificate["subject"] => [["2.5.4.10", "Helyos"], ["2.5.4.3", name]];
  const base = generalName(constructed(4, sequence(...[])));
  equal(await allows({ permitted: [base] }, ["dns:a"]), true);
  equal(await allows({ permitted: ["dir:leaf"] }, ["dns:a"]), true);
  equal(await allows({ permitted: ["dir:LEAF "] }, ["dns:a"]), true);
  equal(await allows({ permitted: ["dir:leaf"] }, ["dir:other"]), false);
  equal(await allows({ excluded: ["dir:other"] }, ["dir:other"]), false);
  equal(await allows({ excluded: ["dir:other"] }, ["dir:leaf"]), true);
  equal(await allows({ permitted: ["dir:leaf"] }, ["dns:a"], { subject: under("leaf")! }), false);
  equal(await allows({ permitted: ["dir:leaf"] }, ["dns:a"], { subject: "" }), true);
});

Deno.test("name constraints of kinds that nobody processes refuse names of that kind alone", async () => {
  const type = "other:1.3.6.1.4.1.99999.3";
  equal(await allows({ excluded: [type] }, ["dns:a", type]), false);
  equal(await allows({ permitted: [type] }, ["dns:a"]), true);
  equal(await allows({ excluded: [primitive(8, Uint8Array.of(0x2a))] }, ["dns:a"]), true);
  const bounded = sequence(primitive(2, text("example.com")), primitive(1, integer(3).subarray(2)));
  const anchor = ca({
    subject: "Root",
    key: root,
    extensions: [extension(ExtensionId.nameConstraints, sequence(constructed(0, bounded)), true)],
  });
  const leaf = certificate({ subject: "leaf", issuer: "Root", key: own, signer: root, names: ["dns:example.com"] });
  equal((await verifyChain(leaf, [], [anchor], { at: AT })).ok, false);
});

Deno.test("name constraints narrow from CA to CA, and never widen", async () => {
  const [one, two] = [testKey(), testKey()];
  const anchor = ca({ subject: "Root", key: root });
  const judge = async (upper: string[], lower: string[], name: string): Promise<boolean> => {
    const result = await verifyChain(
      certificate({ subject: "leaf", issuer: "Two", key: own, signer: two, names: [name] }),
      [
        ca({ subject: "One", issuer: "Root", key: one, signer: root, permitted: upper }),
        ca({ subject: "Two", issuer: "One", key: two, signer: one, permitted: lower }),
      ],
      [anchor],
      { at: AT },
    );
    return result.ok;
  };
  equal(await judge(["dns:a.com", "dns:b.com"], ["dns:b.com"], "dns:b.com"), true);
  equal(await judge(["dns:a.com", "dns:b.com"], ["dns:b.com"], "dns:a.com"), false);
  equal(await judge(["dns:b.com"], ["dns:a.com", "dns:b.com"], "dns:a.com"), false);
});
