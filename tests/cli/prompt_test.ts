import { equal, rejects } from "node:assert/strict";
import { askHidden, confirm } from "../../cli/prompt.ts";

/** A terminal whose user presses these keys, some at a time. */
function terminal(...presses: string[]) {
  let shown = "";
  let raw = false;
  const queue = presses.map((keys) => new TextEncoder().encode(keys));
  return {
    stdin: {
      isTerminal: true,
      readLine: () => Promise.resolve(undefined),
      async raw<T>(read: (next: () => Promise<Uint8Array | undefined>) => Promise<T>): Promise<T> {
        raw = true;
        try {
          return await read(() => Promise.resolve(queue.shift()));
        } finally {
          raw = false;
        }
      },
    },
    stderr: { isTerminal: true, columns: 80, write: (text: string) => void (shown += text) },
    shown: () => shown,
    raw: () => raw,
  };
}

Deno.test("confirm() takes anything but y for no", async () => {
  for (const keys of ["n", "N", "\r", "\n", "\x04", "\x1b", "xq\r", ""]) {
    const io = terminal(keys);
    equal(await confirm(io, "Sure?"), false, JSON.stringify(keys));
    equal(io.shown(), "Sure? [y/N] no\n");
  }
  for (const keys of ["y", "Y", "xy"]) {
    const io = terminal(keys);
    equal(await confirm(io, "Sure?"), true);
    equal(io.shown(), "Sure? [y/N] yes\n");
  }
});

Deno.test("prompts give the terminal back when the user interrupts", async () => {
  for (const ask of [confirm, askHidden]) {
    const io = terminal("ab", "\x03");
    await rejects(() => ask(io, "Q"), { code: "interrupted", exitCode: 130 });
    equal(io.raw(), false);
  }
});

Deno.test("askHidden() shows nothing of what is typed, and lets mistakes be undone", async () => {
  const cases: [string[], string][] = [
    [["secret\r"], "secret"],
    [["sec", "ret", "\n"], "secret"],
    [["sx\x7fecret\r"], "secret"],
    [["wrong\x15secret\r"], "secret"],
    [["\x1b[200~ secret \x1b[201~\r"], "secret"],
    [["\x7f\x7fsecret\rmore"], "secret"],
    [["\x04"], ""],
    [["se"], "se"],
    [["\r"], ""],
  ];
  for (const [keys, expected] of cases) {
    const io = terminal(...keys);
    equal(await askHidden(io, "Token: "), expected, JSON.stringify(keys));
    equal(io.shown(), "Token: \n");
  }
});
