import { deepEqual, equal, throws } from "node:assert/strict";
import { FailureLimit, networkOf } from "../../../daemon/tokens/attempts.ts";

Deno.test("FailureLimit refuses after the last allowed failure, with the seconds left", () => {
  let now = 0;
  const limit = new FailureLimit({ failures: 2, windowMs: 10_000, clock: () => now });
  limit.fail("a");
  limit.admit("a");
  now = 4_500;
  limit.fail("a");
  throws(() => limit.admit("a"), { code: "rate_limited", headers: { "retry-after": "6" } });
  limit.admit("b");
  now = 10_000;
  limit.admit("a");
});

Deno.test("FailureLimit.failures() counts an address's failures of this window", () => {
  let now = 0;
  const limit = new FailureLimit({ windowMs: 1_000, clock: () => now });
  equal(limit.failures("10.0.0.1"), 0);
  for (const address of ["10.0.0.1", "10.0.0.1", "10.0.0.2"]) limit.fail(address);
  deepEqual([limit.failures("10.0.0.1"), limit.failures("10.0.0.2"), limit.failures("10.0.0.3")], [2, 1, 0]);
  now = 1_000;
  equal(limit.failures("10.0.0.1"), 0);
});

Deno.test("FailureLimit forgets the oldest address when there are too many", () => {
  const limit = new FailureLimit({ failures: 1, maxAddresses: 2, clock: () => 0 });
  for (const address of ["a", "b", "c"]) limit.fail(address);
  limit.admit("a");
  throws(() => limit.admit("b"));
  throws(() => limit.admit("c"));
});

Deno.test("networkOf() takes the /64 of an IPv6 address for one, and a mapped IPv4 address for itself", () => {
  equal(networkOf("192.0.2.1"), "192.0.2.1");
  equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  equal(networkOf("2001:db8:0:1:aaaa::1"), networkOf("2001:0db8:0000:0001::ffff"));
  equal(networkOf("2001:db8:0:1::1") === networkOf("2001:db8:0:2::1"), false);
  equal(networkOf("::1"), "0:0:0:0::/64");
  equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
});
