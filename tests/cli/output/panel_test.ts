import { equal } from "node:assert/strict";
import { gauge } from "../../../cli/output/gauge.ts";
import { keyValues, panel, steps } from "../../../cli/output/panel.ts";
import { PLAIN, type Style } from "../../../cli/output/style.ts";
import { plainTable, statusCell, tableBody } from "../../../cli/output/table.ts";
import { columnsOf } from "../../../cli/output/text.ts";

const NARROW: Style = { colour: false, nerd: false, columns: 40 };

// deno-lint-ignore no-control-regex
const COLOURS = /\x1b\[[0-9;]*m/g;

Deno.test("panel() draws a table with rules under the headings and between rows, 80 columns without a terminal", () => {
  const text = panel(PLAIN, {
    icon: "pod",
    title: "Pods",
    count: "2 total",
    body: tableBody({
      columns: ["Name", "Status", "Age"],
      rows: [["api-0", statusCell("Running"), "3d"], ["東京", statusCell("CrashLoopBackoff"), "just now"]],
    }),
  });
  equal(
    text,
    [
      "┌──────────────────────────────────────────────────────────────────────────────┐",
      "│ ● Pods                                                               2 total │",
      "├──────────────────────────────────────────────────────────────────────────────┤",
      "│ NAME   STATUS              AGE                                               │",
      "│ ──────────────────────────────────────────────────────────────────────────── │",
      "│ api-0  ● running           3d                                                │",
      "│ ──────────────────────────────────────────────────────────────────────────── │",
      "│ 東京   ● crashloopbackoff  just now                                          │",
      "└──────────────────────────────────────────────────────────────────────────────┘",
      "",
    ].join("\n"),
  );
});

Deno.test("panel() draws an empty list with its headings", () => {
  const body = tableBody({ columns: ["Name", "Age"], rows: [] });
  equal(
    panel({ ...NARROW, columns: 30 }, { icon: "cluster", title: "Projects", count: "0 total", body }),
    [
      "┌────────────────────────────┐",
      "│ ⊞ Projects         0 total │",
      "├────────────────────────────┤",
      "│ NAME  AGE                  │",
      "└────────────────────────────┘",
      "",
    ].join("\n"),
  );
});

Deno.test("panel() draws keys right-aligned in 16 columns", () => {
  equal(
    panel(NARROW, { icon: "cluster", title: "Cluster Status", body: keyValues([["Mode", "single-node"]]) }),
    [
      "┌──────────────────────────────────────┐",
      "│ ⊞ Cluster Status                     │",
      "├──────────────────────────────────────┤",
      "│            Mode  single-node         │",
      "└──────────────────────────────────────┘",
      "",
    ].join("\n"),
  );
});

Deno.test("panel() draws subtitle and footer", () => {
  equal(
    panel(NARROW, {
      icon: "deploy",
      title: "Deploying",
      subtitle: "api",
      body: steps(["✓ Image  nginx pulled"]),
      footer: { left: "● Deployed", right: "1/1 pods ready" },
    }),
    [
      "┌──────────────────────────────────────┐",
      "│ ◎ Deploying  api                     │",
      "├──────────────────────────────────────┤",
      "│ ✓ Image  nginx pulled                │",
      "├──────────────────────────────────────┤",
      "│ ● Deployed            1/1 pods ready │",
      "└──────────────────────────────────────┘",
      "",
    ].join("\n"),
  );
});

Deno.test("panel() cuts the widest columns on a terminal, and nothing in a pipe", () => {
  const image = "registry.example.com/team/" + "x".repeat(80);
  const content = {
    icon: "pod",
    title: "Pods",
    body: tableBody({ columns: ["Name", "Image", "Age"], rows: [["api-0", image, "3d"]] }),
  } as const;
  const onTerminal = panel(NARROW, content);
  equal(onTerminal.split("\n")[5], "│ api-0  registry.example.com/te…  3d  │");
  for (const line of onTerminal.trimEnd().split("\n")) equal(columnsOf(line), 40);
  const piped = panel(PLAIN, content);
  equal(piped.includes(image), true);
  equal(new Set(piped.trimEnd().split("\n").map(columnsOf)).size, 1);
});

Deno.test("panel() keeps its frame straight at any width and with any text", () => {
  const nasty = ["\x1b[2J", "👩‍👩‍👧 family", "a\u202eb", "日本語のとても長い名前です".repeat(4), "e\u0301".repeat(50), ""];
  for (const columns of [1, 20, 30, 31, 47, 80, 133]) {
    for (const colour of [true, false]) {
      const style: Style = { colour, nerd: true, columns };
      for (
        const body of [
          tableBody({
            columns: ["Name", "Project", "Image", "Age", "CPU"],
            rows: nasty.map((n) => [n, n, n, "1d", gauge(7, 9)]),
          }),
          keyValues(nasty.map((n) => [n.slice(0, 9), n])),
          steps(nasty),
        ]
      ) {
        for (const title of nasty) {
          const text = panel(style, {
            icon: "event",
            title,
            subtitle: title,
            count: "6 total",
            body,
            footer: { left: title, right: title },
          });
          const lines = text.trimEnd().split("\n");
          if (!colour) equal(text.includes("\x1b"), false);
          for (const line of lines) equal(columnsOf(line.replace(COLOURS, "")), Math.max(30, columns), line);
        }
      }
    }
  }
});

Deno.test("panel() colours from the 256-palette", () => {
  const style: Style = { colour: true, nerd: false, columns: 30 };
  const lines = panel(style, {
    icon: "node",
    title: "N",
    body: tableBody({ columns: ["Name", "Status"], rows: [["a", statusCell("failed")]] }),
  }).split("\n");
  const side = "\x1b[38;5;239m│\x1b[39m";
  equal(lines[1], `${side} \x1b[38;5;75m◆ N\x1b[39m                        ${side}`);
  equal(lines[4], `${side} \x1b[38;5;237m${"─".repeat(26)}\x1b[39m ${side}`);
  equal(
    lines[5],
    `${side} \x1b[38;5;253ma\x1b[39m     \x1b[38;5;203m● failed\x1b[39m             ${side}`,
  );
});

Deno.test("plainTable() aligns columns and leaves no blanks at line ends", () => {
  equal(
    plainTable(PLAIN, {
      columns: ["name", "last used"],
      rows: [["alice", "never"], ["zürich", "2026-01-01T00:00:00Z"]],
    }),
    "NAME    LAST USED\nalice   never\nzürich  2026-01-01T00:00:00Z\n",
  );
  equal(plainTable(PLAIN, { columns: ["name"], rows: [] }), "No resources found.\n");
});

Deno.test("plainTable() neutralises control characters", () => {
  equal(plainTable(PLAIN, { columns: ["name"], rows: [["\x1b]52;c;eA==\x07"]] }), "NAME\n\\x1b]52;c;eA==\\x07\n");
});
