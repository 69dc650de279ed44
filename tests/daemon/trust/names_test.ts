import { deepEqual, equal, throws } from "node:assert/strict";
import { missingNames, parseName, sameNames, serverNames } from "../../../daemon/trust/names.ts";

Deno.test("serverNames() refuses what is neither a DNS name nor an IP address", () => {
  const bad = [
    "",
    " ",
    "a b",
    "a/b",
    "http://a",
    "a:6443",
    "user@a",
    "a..b",
    "-a",
    "a-",
    "1.2",
    "0x7f000001",
    "999.1.1.1",
    "fe80::1%eth0",
    "a.*.b",
    "*",
    "[a]",
    "x".repeat(64),
    "a,DNS:evil",
    "ä ö",
  ];
  for (const san of bad) {
    equal(parseName(san), undefined, san);
    throws(() => serverNames({ host: "0.0.0.0", sans: [san] }), {
      name: "TrustError",
      code: "invalid_name",
      message: /--tls-san/,
    });
  }
  throws(() => serverNames({ host: "a b" }), { message: /--host "a b"/ });
  throws(() => serverNames({ host: "::", advertiseAddr: "a:1" }), { message: /--advertise-addr "a:1"/ });
});

Deno.test("serverNames() holds all of the original's names in its order, and ::1", () => {
  const names = serverNames({
    host: "192.0.2.7",
    advertiseAddr: "cluster.example",
    sans: ["203.0.113.10", "API.example", "2001:DB8:0:0::1", "bücher.example", "*.apps.example", "[2001:db8::2]"],
    hostname: "box-1",
  });
  deepEqual(names, {
    dns: ["localhost", "helyos", "cluster.example", "api.example", "xn--bcher-kva.example", "*.apps.example", "box-1"],
    ip: ["192.0.2.7", "203.0.113.10", "2001:db8::1", "2001:db8::2", "127.0.0.1", "::1"],
  });
});

Deno.test("serverNames() leaves wildcard hosts and an impossible machine name out, and says nothing twice", () => {
  for (const host of ["0.0.0.0", "::", "localhost", "127.0.0.1", "::1", "LOCALHOST"]) {
    deepEqual(
      serverNames({ host, hostname: "not a name", advertiseAddr: "localhost", sans: ["127.0.0.1", "helyos"] }),
      {
        dns: ["localhost", "helyos"],
        ip: host === "::1" ? ["::1", "127.0.0.1"] : ["127.0.0.1", "::1"],
      },
    );
  }
});

Deno.test("sameNames() compares sets, however an address is spelled", () => {
  const wanted = { dns: ["a", "b"], ip: ["2001:db8::1"] };
  const has = [{ kind: "ip", value: "2001:db8:0:0:0:0:0:1" }, { kind: "dns", value: "B" }, { kind: "dns", value: "a" }];
  equal(sameNames(has, wanted), true);
  equal(sameNames(has.slice(1), wanted), false);
  equal(sameNames([...has, { kind: "dns", value: "c" }], wanted), false);
  equal(sameNames([...has.slice(0, 2), { kind: "email", value: "a" }], wanted), false);
  deepEqual(missingNames(has.slice(1), wanted), ["2001:db8::1"]);
});
