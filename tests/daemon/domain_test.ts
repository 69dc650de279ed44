import { deepEqual, equal, throws } from "node:assert/strict";
import { hostPortText, parseDomain, parseHostPort, wildcardAbove } from "../../daemon/domain.ts";

Deno.test("parseDomain() refuses what is no host name, with the reason", () => {
  const refusals: [string, RegExp][] = [
    ["", /is empty/],
    ["*.", /is empty/],
    ["*.com", /whole top-level domain/],
    ["a.*.com", /whole first label/],
    ["*a.example.com", /whole first label/],
    ["**.example.com", /whole first label/],
    ["exa mple.com", /characters/],
    ["example.com/x", /characters/],
    ["user@example.com", /characters/],
    ["example.com:443", /characters/],
    ["`a`.example.com", /characters/],
    ["a.example.com;}", /characters/],
    ["a.example.com\nserver {", /characters/],
    ["a\0.example.com", /characters/],
    ["${x}.example.com", /characters/],
    ["_dmarc.example.com", /characters/],
    ["../../etc", /characters/],
    ["..", /./],
    ["a..example.com", /./],
    [".example.com", /./],
    ["-a.example.com", /which no host name may have/],
    ["a-.example.com", /which no host name may have/],
    ["127.0.0.1", /IP address/],
    ["::1", /characters/],
    ["0x7f.1", /./],
    ["example.1", /./],
    ["a".repeat(64) + ".example", /./],
    [`${"a.".repeat(126)}aaa`, /longer than 253/],
    ["xn--a.example.com", /./],
    ["\ud800.example", /./],
  ];
  for (const [text, reason] of refusals) throws(() => parseDomain(text), { name: "RangeError", message: reason }, text);
});

Deno.test("parseDomain() gives the one spelling: lower case, ASCII, no dot at the end", () => {
  equal(parseDomain("API.Example.COM."), "api.example.com");
  equal(parseDomain("*.Example.com"), "*.example.com");
  equal(parseDomain("Bücher.example"), "xn--bcher-kva.example");
  equal(parseDomain("*.日本.example"), "*.xn--wgv71a.example");
  equal(parseDomain("ｅｘａｍｐｌｅ.com"), "example.com");
  equal(parseDomain("intranet"), "intranet");
  equal(parseDomain(`${"a.".repeat(126)}a`), `${"a.".repeat(126)}a`);
});

Deno.test("wildcardAbove() is one label up, and nothing for a wildcard", () => {
  equal(wildcardAbove("a.b.example.com"), "*.b.example.com");
  equal(wildcardAbove("*.b.example.com"), undefined);
  equal(wildcardAbove("intranet"), undefined);
});

Deno.test("parseHostPort() refuses what is no upstream", () => {
  for (
    const text of [
      "",
      "host",
      ":80",
      "host:",
      "host:0",
      "host:65536",
      "host:080000",
      "host:-1",
      "::1:80",
      "[::1]",
      "[fe80::1%eth0]:80",
      "[127.0.0.1]:80",
      "http://host:80",
      "host:80/path",
      "ho st:80",
      "host;:80",
      "256.1.1.1:80",
      "a..b:80",
      "host\n:80",
    ]
  ) {
    throws(() => parseHostPort(text), { name: "RangeError" }, text);
  }
});

Deno.test("parseHostPort() reads names and addresses, and hostPortText() writes them", () => {
  deepEqual(parseHostPort("10.0.0.7:8080"), { host: "10.0.0.7", port: 8080 });
  deepEqual(parseHostPort("App_1.internal:80"), { host: "app_1.internal", port: 80 });
  deepEqual(parseHostPort("[0:0::1]:3000"), { host: "::1", port: 3000 });
  for (const text of ["10.0.0.7:8080", "app.internal:80", "[::1]:3000"]) equal(hostPortText(parseHostPort(text)), text);
});
