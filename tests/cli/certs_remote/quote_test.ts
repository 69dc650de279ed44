import { equal, throws } from "node:assert/strict";
import { commandLine, quote } from "../../../cli/certs/remote/quote.ts";

Deno.test("quote() refuses a NUL", () => {
  throws(() => quote("a\0b"), TypeError);
});

Deno.test("commandLine() is split by a real shell into the very words it was made of", async () => {
  const words = [
    "",
    " ",
    "a b",
    "it's",
    "''",
    "$HOME",
    "`id`",
    "$(id)",
    "\\",
    "\\'",
    "a\nb",
    "*",
    "~",
    "-n",
    '"',
    ";rm -rf /",
    "é🔑",
  ];
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `for word in ${commandLine(words)}; do printf '%s\\037' "$word"; done`],
  }).output();
  equal(new TextDecoder().decode(stdout), words.map((word) => `${word}\x1f`).join(""));
});
