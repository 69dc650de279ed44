import { deepEqual, equal } from "node:assert/strict";
import { age, duration } from "../../../cli/output/age.ts";
import { gauge } from "../../../cli/output/gauge.ts";
import { json } from "../../../cli/output/json.ts";
import { failure, success, warning } from "../../../cli/output/message.ts";
import { icon, paint, PLAIN, styleOf } from "../../../cli/output/style.ts";

function styleWith(isTerminal: boolean, variables: Record<string, string> = {}) {
  return styleOf({ isTerminal, columns: 100 }, { env: (name) => variables[name] });
}

Deno.test("age() names the largest unit alone", () => {
  const now = new Date("2026-06-10T12:00:00Z");
  const cases: [string, string][] = [
    ["2026-06-07T11:00:00Z", "3d"],
    ["2026-06-10T07:00:00Z", "5h"],
    ["2026-06-10T11:15:00.5Z", "44m"],
    ["2026-06-10T11:59:30Z", "30s"],
    ["2026-06-10T11:59:59.500Z", "just now"],
    ["2026-06-11T00:00:00Z", "just now"],
    ["2026-06-10T11:59:00.123456789+00:00", "59s"],
    ["2026-06-10T13:59:00+02:00", "1m"],
    ["yesterday", "-"],
  ];
  for (const [instant, expected] of cases) equal(age(instant, now), expected, instant);
});

Deno.test("duration() is exact", () => {
  deepEqual([0, 1, 90, 3600, 5400, 86400, 172800].map(duration), ["0s", "1s", "90s", "1h", "90m", "1d", "2d"]);
});

Deno.test("gauge() fills 16 cells and changes colour at 60 and 80", () => {
  const text = (used: number, total: number) => {
    const cell = gauge(used, total);
    return typeof cell === "string" ? cell : cell.map((span) => span.text).join("");
  };
  const role = (used: number) => {
    const cell = gauge(used, 100);
    return typeof cell === "string" ? undefined : cell[0]?.role;
  };
  equal(text(0, 8), "░░░░░░░░░░░░░░░░   0%");
  equal(text(4, 8), "████████░░░░░░░░  50%");
  equal(text(8, 8), "████████████████ 100%");
  equal(text(99.9, 100), "███████████████░  99%");
  equal(text(1, 0), "░░░░░░░░░░░░░░░░   0%");
  equal(text(9, 8), "████████████████ 100%");
  equal(text(-1, 8), "░░░░░░░░░░░░░░░░   0%");
  equal(text(NaN, 8), "░░░░░░░░░░░░░░░░   0%");
  deepEqual([59.9, 60, 79.9, 80].map(role), ["green", "yellow", "yellow", "red"]);
});

Deno.test("json() sorts keys at every depth unless the model's order is asked for", () => {
  const value = { status: "ok", project: { name: "p", created_at: null }, list: [{ b: 1, a: 2 }] };
  equal(
    json(value),
    `{
  "list": [
    {
      "a": 2,
      "b": 1
    }
  ],
  "project": {
    "created_at": null,
    "name": "p"
  },
  "status": "ok"
}
`,
  );
  equal(json([{ name: "p", age: 1 }], { order: "model" }), `[\n  {\n    "name": "p",\n    "age": 1\n  }\n]\n`);
  equal(json([]), "[]\n");
  equal(json({ __proto__x: 1, ["__proto__"]: 2 }), `{\n  "__proto__": 2,\n  "__proto__x": 1\n}\n`);
});

Deno.test("json() escapes what a terminal would obey, and readers get it back", () => {
  const value = { name: "\x1b[2J\x7f\x9b\u202e\u2028\u{e0041}\u200d" };
  const text = json(value);
  equal(text, `{\n  "name": "\\u001b[2J\\u007f\\u009b\\u202e\\u2028\\udb40\\udc41\u200d"\n}\n`);
  deepEqual(JSON.parse(text), value);
});

Deno.test("styleOf() colours terminals alone, and heeds NO_COLOR and HELYOS_ICONS", () => {
  deepEqual(styleWith(true), { colour: true, nerd: false, columns: 100 });
  deepEqual(styleWith(false), PLAIN);
  equal(styleWith(true, { NO_COLOR: "0" }).colour, false);
  const nerd = styleWith(true, { HELYOS_ICONS: "Nerd" });
  equal(nerd.nerd, true);
  equal(styleWith(true, { HELYOS_ICONS: "emoji" }).nerd, false);
  equal(icon(nerd, "node"), "\uf233");
  equal(icon(PLAIN, "node"), "◆");
  equal(paint(PLAIN, "red", "x"), "x");
});

Deno.test("success(), warning() and failure() put their mark before the first line and neutralise the rest", () => {
  const style = styleWith(true);
  equal(success(PLAIN, "Created API token 'ci'\n\nToken:"), "✓ Created API token 'ci'\n\nToken:\n");
  equal(success(style, "Done"), "\x1b[38;5;77m✓\x1b[39m Done\n");
  equal(warning(style, "careful"), "\x1b[38;5;178m⚠\x1b[39m careful\n");
  equal(failure(PLAIN, "no \x1b[2J such thing"), "✗ no \\x1b[2J such thing\n");
  equal(failure(style, "no", "look elsewhere"), "\x1b[38;5;203m✗\x1b[39m no\n  hint: look elsewhere\n");
});
