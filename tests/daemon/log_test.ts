import { deepEqual, equal, match } from "node:assert/strict";
import { hideSecret, openLog, scrub } from "../../daemon/log.ts";

const TOKEN = `nxa-api_${"ab".repeat(32)}`;

function capture(format: "human" | "json", level: "debug" | "info" | "warn" = "info") {
  const lines: string[] = [];
  return { lines, log: openLog({ format, level, write: (line) => void lines.push(line) }) };
}

Deno.test("scrub() blots out tokens, join tokens, private keys and what it was told to hide", () => {
  equal(scrub(`Bearer ${TOKEN} and nxa_${"12".repeat(32)}.`), "Bearer nxa-api_… and nxa_….");
  equal(
    scrub("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nrest"),
    "-----BEGIN PRIVATE KEY-----…\nrest",
  );
  equal(scrub("-----BEGIN EC PRIVATE KEY-----\nMIIE"), "-----BEGIN EC PRIVATE KEY-----…");
  hideSecret("my own secret text");
  equal(scrub("got my own secret text!"), "got …!");
  hideSecret("abc");
  equal(scrub("abc"), "abc", "too short to be one");
});

Deno.test("openLog() writes no secret, whether in a message or a field", () => {
  for (const format of ["human", "json"] as const) {
    const { lines, log } = capture(format);
    log.error(`bad ${TOKEN}`, { cause: TOKEN });
    equal(lines.length, 1);
    equal(lines[0]!.includes("abab"), false);
  }
});

Deno.test("openLog() writes one line a person reads", () => {
  const { lines, log } = capture("human");
  log.info("started", { port: 6443, why: "two words" });
  match(lines[0]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}INFO helyosd: started port=6443 why="two words"\n$/);
});

Deno.test("openLog() writes one JSON object a line", () => {
  const { lines, log } = capture("json");
  log.warn("first\nsecond {not} a placeholder", { count: 2 });
  const { time, ...rest } = JSON.parse(lines[0]!);
  match(time, /Z$/);
  deepEqual(rest, { level: "warn", target: "helyosd", message: "first\nsecond {not} a placeholder", count: 2 });
  equal(lines[0]!.split("\n").length, 2);
});

Deno.test("openLog() lets no text pose as an event of its own", () => {
  const { lines, log } = capture("human");
  log.info("name\n2026-01-01T00:00:00.000Z  INFO helyosd: forged \x1b[31m\x00", { field: "a\nb" });
  match(lines[0]!, /name\n {2}2026/);
  match(lines[0]!, /\\x1b\[31m\\x00 field="a\\nb"\n$/);
});

Deno.test("openLog() leaves out what is below its level", () => {
  const { lines, log } = capture("human", "warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  equal(lines.length, 2);
});
