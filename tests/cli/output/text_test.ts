import { equal } from "node:assert/strict";
import { columnsOf, cut, visible } from "../../../cli/output/text.ts";

Deno.test("visible() spells out everything a terminal would obey or hide", () => {
  equal(visible("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
  equal(visible("a\r\nb\tc\0"), "a\\r\\nb\\tc\\x00");
  equal(visible("\x7f\x9b31m"), "\\x7f\\x9b31m");
  equal(visible("a\u202etxt.exe"), "a\\u{202e}txt.exe");
  equal(visible("a\u2066b\u2069\u2028\u200b\ufeff"), "a\\u{2066}b\\u{2069}\\u{2028}\\u{200b}\\u{feff}");
  equal(visible("\ud800x"), "\\u{d800}x");
});

Deno.test("visible() leaves what people write alone", () => {
  for (const text of ["web-1", "Zürich", "東京", "👩‍👩‍👧", "می‌خواهم", "e\u0301"]) equal(visible(text), text);
});

Deno.test("visible() keeps line breaks and tabs when asked, and still nothing else", () => {
  equal(visible("a\n\tb\r\x1b[2J", { lines: true }), "a\n\tb\\r\\x1b[2J");
});

Deno.test("columnsOf() counts what a terminal shows, not bytes nor code units", () => {
  const cases: [string, number][] = [
    ["", 0],
    ["abc", 3],
    ["Zürich", 6],
    ["e\u0301", 1],
    ["\u0301", 0],
    ["東京", 4],
    ["ｗｉｄｅ", 8],
    ["한국", 4],
    ["\u1112\u1161\u11ab", 2],
    ["👩‍👩‍👧", 2],
    ["👍🏽", 2],
    ["🇨🇭", 2],
    ["❤️", 2],
    ["⚠", 1],
    ["1️⃣", 2],
    ["●█░─│", 5],
    ["\u{20000}", 2],
  ];
  for (const [text, columns] of cases) equal(columnsOf(text), columns, JSON.stringify(text));
});

Deno.test("cut() never splits a character and always fits", () => {
  equal(cut("abcdef", 6), "abcdef");
  equal(cut("abcdef", 5), "abcd…");
  equal(cut("東京都", 5), "東京…");
  equal(cut("東京都", 4), "東…");
  equal(cut("👩‍👩‍👧👩‍👩‍👧", 3), "👩‍👩‍👧…");
  equal(cut("abc", 1), "…");
  equal(cut("abc", 0), "");
  for (let room = 0; room < 12; room++) {
    const columns = columnsOf(cut("a東e\u0301京👍🏽b🇨🇭", room));
    equal(columns <= room, true, `${room}: ${columns}`);
  }
});
