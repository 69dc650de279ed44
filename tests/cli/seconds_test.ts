import { equal, throws } from "node:assert/strict";
import { readDuration, readSeconds } from "../../cli/seconds.ts";

Deno.test("readSeconds() refuses what is no whole duration", () => {
  for (const text of ["", "x", "1.5", "1e3", "0x10", " 1", "1 h", "h", "1w", "-1h", "+5", "9".repeat(20), "1h30m"]) {
    throws(() => readSeconds(text), RangeError, text);
  }
});

Deno.test("readSeconds() takes whole seconds and one unit", () => {
  const cases: [string, number][] = [["3600", 3600], ["-5", -5], ["0", 0], ["-0", 0], ["90s", 90], ["90m", 5400]];
  for (const [text, seconds] of [...cases, ["2h", 7200], ["30d", 2_592_000]] as [string, number][]) {
    equal(readSeconds(text), seconds, text);
  }
});

Deno.test("readDuration() refuses a negative one", () => {
  throws(() => readDuration("-1"), /negative/);
  equal(readDuration("0"), 0);
});
