import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { createRootCa, generateKeyPair, issueCertificate, parseCertificate, type ProfileName } from "@helyos/pki";
import { addressBlock, canonicalHostName } from "../../../lib/pki/host_name.ts";
import { canonicalCommonName, judgeNames } from "../../../lib/pki/subject.ts";

const key = await generateKeyPair();
const ca = await createRootCa({ commonName: "Names CA", key });
const issuer = { certificate: ca.pem, key };

const BAD_HOSTS: Readonly<Record<string, string>> = {
  "empty": "",
  "newline": "api.internal\nDNS:evil.internal",
  "carriage return": "api\r.internal",
  "nul": "api.internal\0.evil",
  "slash": "api.internal/O=Evil",
  "comma": "api.internal,DNS:evil.internal",
  "space": "api internal",
  "leading space": " api.internal",
  "trailing space": "api.internal ",
  "tab": "api\t.internal",
  "colon": "api.internal:443",
  "at": "user@api.internal",
  "percent": "api%2einternal",
  "scheme": "https://api.internal",
  "empty label": "api..internal",
  "leading dot": ".internal",
  "trailing dot": "api.internal.",
  "only a dot": ".",
  "leading hyphen": "-api.internal",
  "trailing hyphen": "api-.internal",
  "label of 64": `${"a".repeat(64)}.internal`,
  "name of 254": `${"a.".repeat(126)}aa`,
  "IPv4": "192.0.2.1",
  "IPv4 in short": "127.1",
  "IPv4 in hex": "0x7f.0.0.0x1",
  "last label a number": "api.internal.1",
  "IPv4 in fullwidth digits": "１９２.0.2.1",
  "IPv6": "2001:db8::1",
  "IPv6 in brackets": "[::1]",
  "broken punycode": "xn--a.internal",
  "punycode of ASCII": "xn--api-.internal",
  "punycode of capitals": "xn--Bcher-KVA9.internal",
  "emoji": "☕.internal",
  "emoji as an A-label": "xn--53h.internal",
  "fullwidth slash": "api／evil.internal",
  "zero width joiner": "a\u200db.internal",
  "soft hyphen": "a\u00adpi.internal",
  "right-to-left override": "api\u202e.internal",
  "lone surrogate": "api\ud800.internal",
  "no-break space": "api\u00a0x.internal",
  "ideographic full stop twice": "api。。internal",
  "label that grows past 63": `${"ü".repeat(60)}.internal`,
  "wildcard": "*.api.internal",
};

for (const [what, host] of Object.entries(BAD_HOSTS)) {
  Deno.test(`canonicalHostName() refuses: ${what}`, () => {
    throws(() => canonicalHostName(host), { name: "PkiError", code: "invalid_name" });
  });
}

for (
  const host of [
    "*",
    "*.",
    "*.internal",
    "*.*.internal",
    "a*.api.internal",
    "*a.api.internal",
    "api.*.internal",
    "**.a.b",
  ]
) {
  Deno.test(`canonicalHostName() refuses the wildcard ${host} even where one may stand`, () => {
    throws(() => canonicalHostName(host, { wildcard: true }), { code: "invalid_name" });
  });
}

Deno.test("canonicalHostName() spells hosts in their one way", () => {
  const spelled: Readonly<Record<string, string>> = {
    "API.Internal": "api.internal",
    "localhost": "localhost",
    "a": "a",
    "my_service.internal": "my_service.internal",
    "r3---sn-x.internal": "r3---sn-x.internal",
    "1.2.internal": "1.2.internal",
    "bücher.internal": "xn--bcher-kva.internal",
    "BÜCHER.internal": "xn--bcher-kva.internal",
    "bu\u0308cher.internal": "xn--bcher-kva.internal",
    "xn--bcher-kva.internal": "xn--bcher-kva.internal",
    "XN--BCHER-KVA.internal": "xn--bcher-kva.internal",
    "straße.internal": "xn--strae-oqa.internal",
    "例え.テスト": "xn--r8jz45g.xn--zckzah",
    "例え。テスト": "xn--r8jz45g.xn--zckzah",
    "пример.испытание": "xn--e1afmkfd.xn--80akhbyknj4f",
    [`${"a".repeat(63)}.internal`]: `${"a".repeat(63)}.internal`,
    [`${"a.".repeat(126)}a`]: `${"a.".repeat(126)}a`,
  };
  for (const [text, expected] of Object.entries(spelled)) equal(canonicalHostName(text), expected);
  equal(canonicalHostName("*.Bücher.internal", { wildcard: true }), "*.xn--bcher-kva.internal");
});

Deno.test("canonicalCommonName() refuses what a line of text could take for more than one part", () => {
  const bad = [
    "",
    "a\nb",
    "a/O=b",
    "a,b",
    "a+b",
    "O=a",
    'a"b',
    "a\\b",
    "<a>",
    "a;b",
    "#a",
    " a",
    "a ",
    "a  b",
    "a\tb",
    "a\u200bb",
  ];
  for (const text of [...bad, "a\u202eb", "a\ud800", "a\0b", "x".repeat(65), "é".repeat(65)]) {
    throws(
      () => canonicalCommonName(text, { host: false }),
      { name: "PkiError", code: "invalid_name" },
      JSON.stringify(text),
    );
  }
  for (const text of ["a b", "a..b", "x".repeat(65), `${"x".repeat(60)}.internal`, "2001:db8::g", "1.2.3"]) {
    throws(() => canonicalCommonName(text, { host: true }), { code: "invalid_name" }, text);
  }
});

Deno.test("canonicalCommonName() counts characters, not octets (ub-common-name)", () => {
  equal(canonicalCommonName("é".repeat(64), { host: false }), "é".repeat(64));
  equal(canonicalCommonName("Helyos Service CA", { host: false }), "Helyos Service CA");
  equal(canonicalCommonName("::0001", { host: true }), "::1");
  equal(canonicalCommonName("Bücher.internal", { host: true }), "xn--bcher-kva.internal");
});

Deno.test("judgeNames() refuses addresses, URIs and mail addresses that are none", () => {
  const options = { wildcard: false };
  for (
    const ip of ["", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4/8", "::1%eth0", "[::1]", "::g", "1::2::3", "localhost"]
  ) {
    throws(() => judgeNames({ ip: [ip] }, options), { code: "invalid_name" }, ip);
  }
  for (
    const uri of [
      "",
      "spiffe",
      "//a/b",
      "spiffe:",
      "spiffe://a b",
      "spiffe://a\nb",
      "https://ü.de",
      "https://a..b/",
      "https:///x",
      "x://a%zz",
      "x://[::g]/",
      "1x://a",
    ]
  ) {
    throws(() => judgeNames({ uri: [uri] }, options), { code: "invalid_name" }, uri);
  }
  for (
    const email of [
      "",
      "a",
      "@a",
      "a@",
      "a@b@c",
      "a b@c.de",
      "a@b..c",
      ".a@b.c",
      "ü@b.c",
      '"a"@b.c',
      "a@b.c\n",
      "a,b@c.de",
    ]
  ) {
    throws(() => judgeNames({ email: [email] }, options), { code: "invalid_name" }, email);
  }
});

Deno.test("judgeNames() keeps the order and drops what is there twice", () => {
  const names = judgeNames({
    email: ["Ops@Example.Internal"],
    ip: ["::1", "127.0.0.1", "0:0:0:0:0:0:0:1"],
    dns: ["B.internal", "a.internal", "b.internal"],
    uri: ["spiffe://c/x", "https://[2001:db8::1]:8443/p?q#f", "urn:uuid:1"],
  }, { wildcard: false });
  deepEqual(names.map(({ kind, value }) => `${kind} ${value}`), [
    "dns b.internal",
    "dns a.internal",
    "ip ::1",
    "ip 127.0.0.1",
    "uri spiffe://c/x",
    "uri https://[2001:db8::1]:8443/p?q#f",
    "uri urn:uuid:1",
    "email Ops@example.internal",
  ]);
});

Deno.test("addressBlock() refuses blocks that are none, and addresses beyond their prefix", () => {
  for (
    const text of [
      "",
      "/",
      "10.0.0.0/",
      "10.0.0.0/33",
      "10.0.0.1/8",
      "::/129",
      "fe80::1/64",
      "10/8",
      "10.0.0.0/-1",
      "10.0.0.0/8/8",
    ]
  ) {
    throws(() => addressBlock(text), { name: "PkiError", code: "invalid_name" }, text);
  }
  deepEqual([...addressBlock("10.0.0.0/8")], [10, 0, 0, 0, 255, 0, 0, 0]);
  deepEqual([...addressBlock("192.0.2.1")], [192, 0, 2, 1, 255, 255, 255, 255]);
  deepEqual([...addressBlock("172.16.0.0/12")], [172, 16, 0, 0, 255, 240, 0, 0]);
  deepEqual([...addressBlock("0.0.0.0/0")], [0, 0, 0, 0, 0, 0, 0, 0]);
  deepEqual([...addressBlock("fd00::/8")].slice(14, 19), [0, 0, 255, 0, 0]);
});

Deno.test("issueCertificate() refuses every bad host before it signs, in whatever place it stands", async () => {
  // A key that cannot sign proves that signing was never reached.
  const verifyOnly = { ...key, privateKey: key.publicKey };
  for (const host of Object.values(BAD_HOSTS)) {
    for (const profile of ["server", "client", "peer"] as const) {
      const attempt = issueCertificate({
        issuer: { certificate: ca.pem, key: verifyOnly },
        profile,
        publicKey: key.publicKey,
        commonName: "api.internal",
        names: { dns: ["api.internal", host] },
      });
      if (profile === "server" && host.startsWith("*.")) await rejects(() => attempt, TypeError);
      else await rejects(() => attempt, { code: "invalid_name" }, `${profile} ${JSON.stringify(host)}`);
    }
  }
});

Deno.test("issueCertificate() refuses a wildcard as who a client or a peer is", async () => {
  const publicKey = (await generateKeyPair()).publicKey;
  const names = { dns: ["*.api.internal"] };
  for (const profile of ["client", "peer", "intermediate"] satisfies ProfileName[]) {
    await rejects(
      () => issueCertificate({ issuer, profile, publicKey, commonName: "api.internal", names }),
      { code: "invalid_name" },
    );
  }
  const server = await issueCertificate({ issuer, profile: "server", publicKey, commonName: "api.internal", names });
  deepEqual(parseCertificate(server.der).names.map(({ value }) => value), ["*.api.internal"]);
});

Deno.test("issueCertificate() refuses a server or peer that nobody could ask for by name", async () => {
  const publicKey = (await generateKeyPair()).publicKey;
  for (const profile of ["server", "peer"] satisfies ProfileName[]) {
    for (const names of [{}, { dns: [] }, { email: ["a@b.internal"] }]) {
      await rejects(
        () => issueCertificate({ issuer, profile, publicKey, commonName: "api.internal", names }),
        { code: "invalid_name" },
      );
    }
  }
});
