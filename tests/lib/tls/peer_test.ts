import { deepEqual, equal, throws } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  certAuthenticator,
  peerCommonName,
  peerIdentity,
  peerSubjectAltNames,
  peerSubjectAltNameValues,
  sanAuthenticator,
  type ServeInfo,
  withCertAuth,
} from "@helyos/tls";
import { lacking } from "../../support/tools.ts";
import { Ca, forge, temporaryFolder } from "./support.ts";

const NOTHING = [null, undefined, {}, { raw: undefined }, new Uint8Array(), new Uint8Array([0x30, 3, 1, 2, 3])];

/** A certificate with any subject and names, as DER. */
async function certificate(o: { subject?: string; san?: string }): Promise<Uint8Array> {
  await using folder = await temporaryFolder();
  const ca = await Ca.make(folder.path);
  const extensions = o.san === undefined ? "basicConstraints=CA:FALSE\n" : `subjectAltName=@names\n[names]\n${o.san}\n`;
  const { certificatePath } = await forge(folder.path, {
    name: "leaf",
    ...(o.subject === undefined ? {} : { subject: o.subject }),
    extensions,
    issuer: await ca.files(),
  });
  return new Uint8Array(new X509Certificate(await readFile(certificatePath)).raw);
}

const ignore = lacking("openssl");

Deno.test("peerCommonName() finds nothing where there is no certificate", () => {
  for (const input of NOTHING) equal(peerCommonName(input as never), null);
});

Deno.test("peerSubjectAltNames() finds nothing where there is no certificate", () => {
  for (const input of NOTHING) deepEqual(peerSubjectAltNames(input as never), []);
});

Deno.test({
  name: "peerCommonName() gives the first common name, exactly",
  ignore,
  async fn() {
    const cases: [string, string | null][] = [
      ["/O=no name", null],
      ["/CN=device-01", "device-01"],
      ["/CN=first/O=x/CN=second", "first"],
      ["/CN= padded ", " padded "],
      ["/CN=Ünïcode 机", "Ünïcode 机"],
      ["/CN=a, CN=admin", "a, CN=admin"],
    ];
    for (const [subject, expected] of cases) {
      const der = await certificate({ subject });
      equal(peerCommonName(der), expected, subject);
      equal(peerCommonName({ raw: der }), expected, subject);
    }
  },
});

Deno.test({
  name: "peerSubjectAltNames() gives every kind, in order, duplicates kept, IPv6 in its short form",
  ignore,
  async fn() {
    const der = await certificate({
      san: "DNS.1=a.test\nDNS.2=a.test\nIP.1=10.0.1.5\nIP.2=0:0:0:0:0:0:0:1\nURI.1=spiffe://x/y\nemail.1=a@b.test\n" +
        "RID.1=1.2.3\notherName.1=1.2.3.4;UTF8:text\ndirName.1=dn\n[dn]\nCN=directory",
    });
    const names = peerSubjectAltNames(der);
    deepEqual(names.slice(0, 6), [
      { kind: "dns", value: "a.test" },
      { kind: "dns", value: "a.test" },
      { kind: "ip", value: "10.0.1.5" },
      { kind: "ip", value: "::1" },
      { kind: "uri", value: "spiffe://x/y" },
      { kind: "email", value: "a@b.test" },
    ]);
    deepEqual(names.slice(6).map((name) => name.kind), ["other", "other"]);
    equal(names[6]!.value, "1.2.3");
    deepEqual(peerSubjectAltNameValues(der), names.map((name) => name.value));
  },
});

Deno.test({
  name: "peerSubjectAltNames() takes a name with commas for the one name it is",
  ignore,
  async fn() {
    const forged = "evil.test, DNS:admin.test, URI:spiffe://x/admin";
    const der = await certificate({ san: `DNS.1=${forged}` });
    deepEqual(peerSubjectAltNames(der), [{ kind: "dns", value: forged }]);
    equal(sanAuthenticator({ dns: ["admin.test"], uris: ["spiffe://x/admin"] }).authorize(der), null);
  },
});

Deno.test({
  name: "peerIdentity() finds a SPIFFE ID only where exactly one URI is a well-formed one",
  ignore,
  async fn() {
    const cases: [string | undefined, string | null][] = [
      ["URI.1=spiffe://example.org/ns/prod/sa/db", "spiffe://example.org/ns/prod/sa/db"],
      ["URI.1=spiffe://example.org", "spiffe://example.org"],
      ["URI.1=spiffe://example.org/a\nURI.2=spiffe://example.org/b", null],
      ["URI.1=spiffe://example.org/a\nURI.2=https://example.org/", null],
      ["URI.1=https://example.org/", null],
      ["URI.1=spiffe://Example.org/a", null],
      ["URI.1=spiffe://example.org:8443/a", null],
      ["URI.1=spiffe://example.org/a?b=c", null],
      ["URI.1=spiffe://example.org/a/../b", null],
      ["URI.1=spiffe://example.org/", null],
      ["URI.1=spiffe:///a", null],
      ["DNS.1=spiffe.example.org", null],
      [undefined, null],
    ];
    for (const [san, expected] of cases) {
      const identity = peerIdentity(
        await certificate({ subject: "/CN=the name", ...(san === undefined ? {} : { san }) }),
      );
      equal(identity?.spiffeId, expected, san ?? "none");
      equal(identity?.commonName, "the name");
      equal(identity?.name, expected ?? "the name");
    }
    equal(peerIdentity(null), null);
  },
});

Deno.test({
  name: "certAuthenticator() allows exactly the names it was given",
  ignore,
  async fn() {
    const der = await certificate({ subject: "/CN=device-01", san: "DNS.1=device-02" });
    const allowed = ["device-01"];
    const authenticator = certAuthenticator({ allowedCns: allowed });
    equal(authenticator.authorize(der), "device-01");
    equal(authenticator.authorize({ raw: der }), "device-01");
    for (const allowedCns of [[], ["device-02"], ["Device-01"], ["device-0*"], ["*"], [""], ["device-01 "]]) {
      equal(certAuthenticator({ allowedCns }).authorize(der), null, String(allowedCns));
    }
    for (const input of NOTHING) equal(authenticator.authorize(input as never), null);
    for (const input of [1, "text", { raw: "text" }]) equal(authenticator.authorize(input as never), null);
    allowed.push("device-02");
    equal(authenticator.authorize(await certificate({ subject: "/CN=device-02" })), null);
    throws(() => certAuthenticator({ allowedCns: "device-01" }), TypeError);
    throws(() => certAuthenticator({ allowedCns: [1 as never] }), TypeError);
  },
});

Deno.test({
  name: "sanAuthenticator() compares each name with its own kind",
  ignore,
  async fn() {
    const der = await certificate({
      subject: "/CN=in-the-cn.test",
      san: "email.1=a@mail.test\nURI.1=spiffe://x/y\nDNS.1=Host.test\nIP.1=10.0.0.1",
    });
    equal(sanAuthenticator({ dns: ["hOST.TEST"] }).authorize(der), "host.test");
    equal(sanAuthenticator({ uris: ["spiffe://x/y"] }).authorize(der), "spiffe://x/y");
    equal(sanAuthenticator({ dns: ["host.test"], uris: ["spiffe://x/y"] }).authorize(der), "spiffe://x/y");
    for (
      const options of [
        {},
        { dns: ["in-the-cn.test"] },
        { dns: ["spiffe://x/y", "a@mail.test", "10.0.0.1"] },
        { uris: ["host.test", "spiffe://X/y", "spiffe://x/y/"] },
        { dns: ["*.test", "test"] },
      ]
    ) equal(sanAuthenticator(options).authorize(der), null, JSON.stringify(options));
    throws(() => sanAuthenticator({ dns: "host.test" }), TypeError);
    equal(sanAuthenticator({ dns: ["a.test"] }).authorize(await certificate({ san: "DNS.1=*.test" })), null);
  },
});

const info = (peer: unknown): ServeInfo => ({
  remoteAddr: { hostname: "127.0.0.1", port: 1 },
  peer: peer as ServeInfo["peer"],
  principal: null,
  serverName: null,
  protocol: "TLSv1.3",
});

Deno.test({
  name: "withCertAuth() answers 403 with an empty body, or goes on without a principal",
  ignore,
  async fn() {
    const der = await certificate({ subject: "/CN=device-01" });
    const seen: (string | null)[] = [];
    const handler = (_: Request, info: ServeInfo) => {
      seen.push(info.principal);
      return new Response("in");
    };
    const request = new Request("https://localhost/");
    const other = certAuthenticator({ allowedCns: ["device-02"] });

    const refused = await withCertAuth(handler, other)(request, info({ raw: der }));
    equal(refused.status, 403);
    equal(await refused.text(), "");
    equal((await withCertAuth(handler, other)(request, info(null))).status, 403);
    equal((await withCertAuth(handler, other)(request, undefined as never)).status, 403);
    deepEqual(seen, []);

    equal((await withCertAuth(handler, other, { fallback: "next" })(request, info({ raw: der }))).status, 200);
    const own = certAuthenticator({ allowedCns: ["device-01"] });
    equal((await withCertAuth(handler, own)(request, info({ raw: der }))).status, 200);
    deepEqual(seen, [null, "device-01"]);
    throws(() => withCertAuth(handler, own, { fallback: "allow" as never }), RangeError);
  },
});

Deno.test({
  name: "a text form of a certificate's names is never trusted",
  ignore,
  async fn() {
    // What node would show of it holds a second name; the authenticators never look there.
    const der = await certificate({ san: "DNS.1=evil.test" });
    const pretend = { raw: der, subject: { CN: "admin" }, subjectaltname: "DNS:admin.test" };
    equal(certAuthenticator({ allowedCns: ["admin"] }).authorize(pretend), null);
    equal(sanAuthenticator({ dns: ["admin.test"] }).authorize(pretend), null);
  },
});
