import { deepEqual, equal, throws } from "node:assert/strict";
import { parseCertificate } from "../../../lib/pki/certificate.ts";
import { matchesName, type ReferenceName } from "../../../lib/pki/matching.ts";
import { certificate, testKey } from "../../support/pki_builder.ts";

const key = testKey();

function matches(held: string, name: ReferenceName): boolean {
  return matchesName(parseCertificate(certificate({ key, names: [held] })), name);
}

const dns = (held: string, wanted: string): boolean => matches(`dns:${held}`, { dns: wanted });

Deno.test("matchesName() looks at no common name", () => {
  const bare = parseCertificate(certificate({ subject: "db.internal", key }));
  equal(matchesName(bare, { dns: "db.internal" }), false);
});

Deno.test("matchesName() compares hosts by labels", () => {
  deepEqual({
    other: dns("db.internal", "mail.internal"),
    below: dns("internal", "db.internal"),
    above: dns("db.internal", "internal"),
    cut: dns("db.internal\0.evil.org", "db.internal"),
    comma: dns("db.internal, DNS:other.internal", "other.internal"),
    rootedHeld: dns("db.internal.", "db.internal"),
    empty: dns("", ""),
    space: dns(" db.internal", "db.internal"),
    address: dns("10.0.0.1", "10.0.0.1"),
    same: dns("db.internal", "db.internal"),
    folded: dns("DB.Internal", "db.INTERNAL"),
    rooted: dns("db.internal", "db.internal."),
    underscore: dns("_a.internal", "_a.internal"),
  }, {
    other: false,
    below: false,
    above: false,
    cut: false,
    comma: false,
    rootedHeld: false,
    empty: false,
    space: false,
    address: false,
    same: true,
    folded: true,
    rooted: true,
    underscore: true,
  });
});

Deno.test("matchesName() takes a wildcard for the whole left-most label alone", () => {
  deepEqual({
    apex: dns("*.example.com", "example.com"),
    two: dns("*.example.com", "a.b.example.com"),
    inner: dns("a.*.com", "a.example.com"),
    partial: dns("f*.example.com", "foo.example.com"),
    tail: dns("*oo.example.com", "foo.example.com"),
    label: dns("xn--*-1b3c148a.example.com", "xn--bliss-1b3c148a.example.com"),
    twice: dns("*.*.com", "a.example.com"),
    alone: dns("*", "example"),
    dots: dns("*.", "a."),
    itself: dns("*.example.com", "*.example.com"),
    one: dns("*.example.com", "a.example.com"),
    aLabel: dns("*.example.com", "xn--bcher-kva.example.com"),
    folded: dns("*.EXAMPLE.com", "A.example.COM"),
  }, {
    apex: false,
    two: false,
    inner: false,
    partial: false,
    tail: false,
    label: false,
    twice: false,
    alone: false,
    dots: false,
    itself: false,
    one: true,
    aLabel: true,
    folded: true,
  });
});

Deno.test("matchesName() compares Unicode hosts as A-labels", () => {
  equal(dns("xn--bcher-kva.example", "bücher.example"), true);
  equal(dns("xn--bcher-kva.example", "BÜCHER.example"), true);
  equal(dns("bucher.example", "bücher.example"), false);
  equal(dns("b\u00fccher.example".replace("\u00fc", "u"), "bücher.example"), false);
  equal(dns("example.com", "example.com/ü"), false);
  equal(dns("example.com", "ü@example.com"), false);
});

Deno.test("matchesName() compares addresses as octets", () => {
  deepEqual({
    asHost: matches("dns:10.0.0.1", { ip: "10.0.0.1" }),
    asAddress: matches("ip:10.0.0.1", { dns: "10.0.0.1" }),
    asUri: matches("uri:https://10.0.0.1", { ip: "10.0.0.1" }),
    mapped: matches("ip:10.0.0.1", { ip: "::ffff:10.0.0.1" }),
    zeros: matches("ip:10.0.0.1", { ip: "10.0.0.01" }),
    short: matches("ip:10.0.0.1", { ip: "10.1" }),
    zone: matches("ip:fe80::1", { ip: "fe80::1%eth0" }),
    brackets: matches("ip:::1", { ip: "[::1]" }),
    v4: matches("ip:10.0.0.1", { ip: "10.0.0.1" }),
    v6: matches("ip:2001:db8::1", { ip: "2001:0DB8:0:0:0:0:0:1" }),
    v6v4: matches("ip:2001:db8::a00:1", { ip: "2001:db8::10.0.0.1" }),
  }, {
    asHost: false,
    asAddress: false,
    asUri: false,
    mapped: false,
    zeros: false,
    short: false,
    zone: false,
    brackets: false,
    v4: true,
    v6: true,
    v6v4: true,
  });
});

Deno.test("matchesName() compares mailboxes and URIs exactly but for the host", () => {
  deepEqual({
    local: matches("email:Ann@example.com", { email: "ann@example.com" }),
    host: matches("email:ann@EXAMPLE.com", { email: "ann@example.com" }),
    domain: matches("email:ann@example.com", { email: "example.com" }),
    path: matches("uri:spiffe://a/db", { uri: "spiffe://a/DB" }),
    otherPath: matches("uri:spiffe://a/db", { uri: "spiffe://a/db/x" }),
    uriHost: matches("uri:spiffe://CLUSTER/db", { uri: "SPIFFE://cluster/db" }),
    wildcard: matches("uri:https://*.a.com/", { uri: "https://x.a.com/" }),
    urn: matches("uri:urn:a:b", { uri: "urn:a:b" }),
  }, {
    local: false,
    host: true,
    domain: false,
    path: false,
    otherPath: false,
    uriHost: true,
    wildcard: false,
    urn: true,
  });
});

Deno.test("matchesName() throws for what is no name", () => {
  const any = parseCertificate(certificate({ key }));
  for (const name of [null, "db", {}, { dns: 5 }, { dns: "a", ip: "::1" }, { host: "a" }]) {
    throws(() => matchesName(any, name as never), TypeError);
  }
});
