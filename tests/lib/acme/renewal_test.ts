import { equal, ok, throws } from "node:assert/strict";
import { nextAttempt, renewalTime } from "@helyos/acme";

const DAY_MS = 86_400_000;
const at = (days: number) => new Date(Date.UTC(2026, 0, 1) + days * DAY_MS);

function daysLeft(life: number, spread = 0): number {
  const due = renewalTime({ notBefore: at(0), notAfter: at(life), spread });
  return (at(life).getTime() - due.getTime()) / DAY_MS;
}

Deno.test("renewalTime() keeps 30 days or a third of the life, whichever comes earlier", () => {
  equal(daysLeft(90), 30);
  equal(daysLeft(45), 30);
  equal(daysLeft(365), 365 / 3);
});

Deno.test("renewalTime() keeps half of a life shorter than 10 days", () => {
  equal(daysLeft(6), 3);
  equal(daysLeft(1), 0.5);
});

Deno.test("renewalTime() never renews before a third of the life has passed", () => {
  for (const life of [1, 6, 9.9, 10, 12, 20, 29, 30, 45, 47, 60, 90, 398, 3650]) {
    for (const spread of [0, 0.5, 0.99]) ok(daysLeft(life, spread) <= life * 0.72, `${life} days`);
  }
});

Deno.test("renewalTime() picks an instant of the CA's window, even a past one", () => {
  const info = { start: at(-5), end: at(-3) };
  equal(renewalTime({ notBefore: at(0), notAfter: at(90), info, spread: 0.5 }).getTime(), at(-4).getTime());
});

Deno.test("renewalTime() lets no wish of the CA let the certificate end", () => {
  const late = { start: at(85), end: at(120) };
  for (const spread of [0, 0.5, 0.99]) {
    const due = renewalTime({ notBefore: at(0), notAfter: at(90), info: late, spread });
    equal(due <= at(85.5), true, due.toISOString());
  }
});

Deno.test("renewalTime() refuses a life that ends before it starts and a spread out of range", () => {
  throws(() => renewalTime({ notBefore: at(1), notAfter: at(0) }), RangeError);
  throws(() => renewalTime({ notBefore: at(0), notAfter: at(1), spread: 1 }), RangeError);
});

Deno.test("nextAttempt() waits 1, 10, 100 minutes, then a day, with jitter on top", () => {
  const pauses = [1, 2, 3, 4, 50].map((failures) =>
    (nextAttempt({ failures, now: at(0), spread: 0 }).getTime() - at(0).getTime()) / 60_000
  );
  equal(pauses.join(), "1,10,100,1440,1440");
  equal(nextAttempt({ failures: 1, now: at(0), spread: 0.5 }).getTime() - at(0).getTime(), 67_500);
});

Deno.test("nextAttempt() obeys a later Retry-After and ignores an earlier one", () => {
  equal(nextAttempt({ failures: 1, now: at(0), retryAt: at(2), spread: 0 }).getTime(), at(2).getTime());
  equal(nextAttempt({ failures: 4, now: at(0), retryAt: at(0), spread: 0 }).getTime(), at(1).getTime());
  throws(() => nextAttempt({ failures: 0, now: at(0) }), RangeError);
});
