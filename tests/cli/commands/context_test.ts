import { deepEqual, equal, match } from "node:assert/strict";
import { temporaryFolder } from "../../support/process.ts";
import { helyos, type Outcome } from "../terminal.ts";

const START = `# Managed by \`helyos\`. Edit with \`helyos context\` / \`helyos login\`.
current-context = "prod"

[context.lab]
server = "https://lab:6443"
token = "lab-token"

[context.local]
server = "http://localhost:6443"
project = "default"

[context.prod]
server = "https://prod:6443"
token = "prod-token"
project = "web"
token-name = "alice"
ca = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"
ca-sha256 = "9f:86"
`;

interface Fixture extends AsyncDisposable {
  run(line: string | readonly string[]): Promise<Outcome>;
  file(): Promise<string>;
  backup(): Promise<string>;
}

async function withContexts(text: string | undefined): Promise<Fixture> {
  const home = await temporaryFolder();
  const path = `${home.path}/config.toml`;
  if (text !== undefined) await Deno.writeTextFile(path, text, { mode: 0o600 });
  return {
    run: (line) => helyos(typeof line === "string" ? line.split(" ") : line, { env: { HELYOS_CONFIG: path } }),
    file: () => Deno.readTextFile(path),
    backup: () => Deno.readTextFile(`${path}.bak`),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

Deno.test("helyos context refuses with a reason and leaves the file as it was", async () => {
  await using at = await withContexts(START);
  const refusals: [string | string[], number, RegExp][] = [
    ["context use x", 1, /^✗ no context named 'x'\n {2}hint: Known contexts: lab, local, prod\n$/],
    ["context rm x", 1, /no context named 'x'/],
    ["context rename prod prod", 1, /^✗ context 'prod' already exists\n$/],
    ["context rename prod lab", 1, /^✗ context 'lab' already exists\n$/],
    ["context rename x y", 1, /no context named 'x'/],
    [["context", "rename", "prod", 'a"b'], 1, /cannot name a context/],
    ["context set x --project web", 1, /no context named 'x'/],
    ["context set prod", 2, /nothing to change/],
    ["context set prod --server prod:6443", 1, /^✗ Invalid server URL: prod:6443\n {2}Expected format: http/],
    [["context", "set", "prod", "--project", 'a"b'], 1, /cannot store project/],
    ["context use -", 1, /no previous context/],
    ["logout x", 1, /no context named 'x'/],
    ["--context x context ls", 1, /^✗ no context named 'x'/],
    ["--context x completions bash", 1, /^✗ no context named 'x'/],
  ];
  for (const [line, code, says] of refusals) {
    const outcome = await at.run(line);
    deepEqual([outcome.code, outcome.stdout], [code, ""], String(line));
    match(outcome.stderr, says);
  }
  equal(await at.file(), START);
});

Deno.test("helyos --json puts a failure on stderr as an object", async () => {
  await using at = await withContexts(START);
  const failed = await at.run("context use x --json");
  deepEqual([failed.code, failed.stdout], [1, ""]);
  deepEqual(JSON.parse(failed.stderr), {
    code: "unknown_context",
    error: "no context named 'x'",
    hint: "Known contexts: lab, local, prod",
  });
  const usage = await at.run("--json context sue x");
  equal(usage.code, 2);
  deepEqual(JSON.parse(usage.stderr), {
    code: "usage",
    error: "unrecognized subcommand 'sue'",
    hint: "a similar subcommand exists: 'use'",
  });
});

Deno.test("helyos context ls and current show what is there", async () => {
  await using at = await withContexts(START);
  equal(
    (await at.run("context ls")).stdout,
    `   NAME   SERVER                 PROJECT  TLS
   lab    https://lab:6443       -        system
   local  http://localhost:6443  default  http
*  prod   https://prod:6443      web      pinned
`,
  );
  equal(
    (await at.run("context current")).stdout,
    "prod\n  server:  https://prod:6443\n  project: web\n  tls:     pinned\n",
  );
  equal(
    (await at.run("--context lab context current")).stdout,
    "lab\n  server:  https://lab:6443\n  tls:     system\n",
  );
  deepEqual(JSON.parse((await at.run("context current --json")).stdout), {
    name: "prod",
    project: "web",
    server: "https://prod:6443",
    tls: "pinned",
  });
  await using empty = await withContexts(undefined);
  equal((await empty.run("context list")).stdout, "No contexts yet. Add one with: helyos login <server>\n");
  equal((await empty.run("context ls --json")).stdout, "[]\n");
  match(
    (await empty.run("context current")).stderr,
    /^✗ no active context\. Set one with: helyos context use <name>\n/,
  );
  match((await empty.run("logout")).stderr, /^✗ no active context to log out of\n/);
});

Deno.test("helyos context use switches, and use - goes back and forth", async () => {
  await using at = await withContexts(START);
  equal((await at.run("context use lab")).stdout, "✓ Switched to context 'lab'\n");
  match(await at.file(), /^current-context = "lab"$/m);
  equal((await at.run("context use -")).stdout, "✓ Switched to context 'prod'\n");
  equal((await at.run("context use -")).stdout, "✓ Switched to context 'lab'\n");
  equal((await at.run("context rename lab attic")).code, 0);
  equal((await at.run("context use -")).stdout, "✓ Switched to context 'prod'\n");
  equal((await at.run("context use local")).code, 0);
  equal((await at.run("context rename prod eu")).code, 0);
  equal((await at.run("context use -")).stdout, "✓ Switched to context 'eu'\n", "by its new name");
  equal((await at.run("context rename eu prod")).code, 0);
  equal((await at.run("context use -")).stdout, "✓ Switched to context 'local'\n");
  equal((await at.run("context rm prod")).code, 0);
  match((await at.run("context use -")).stderr, /no context named 'prod'/);
});

Deno.test("helyos context rename follows the current one; rm clears it", async () => {
  await using at = await withContexts(START);
  equal((await at.run("context rename prod prod.eu")).stdout, "✓ Renamed context 'prod' → 'prod.eu'\n");
  equal(await at.file(), START.replace('"prod"', '"prod.eu"').replace("[context.prod]", "[context.prod.eu]"));
  equal((await at.run("context rm prod.eu")).stdout, "✓ Removed context 'prod.eu'\n");
  equal((await at.file()).includes("current-context"), false);
  equal((await at.backup()).includes("prod-token"), false);
  deepEqual(JSON.parse((await at.run("context rm lab --json")).stdout), { context: "lab", status: "ok" });
});

Deno.test("helyos context set creates a context, and edits one", async () => {
  await using at = await withContexts(START);
  equal((await at.run("context set new --server https://new:6443/ -pweb")).stdout, "✓ Created context 'new'\n");
  match(await at.file(), /\[context\.new\]\nserver = "https:\/\/new:6443"\nproject = "web"\n/);
  equal((await at.run(["context", "set", "new", "--project", ""])).stdout, "✓ Updated context 'new'\n");
  match(await at.file(), /\[context\.new\]\nserver = "https:\/\/new:6443"\n\n/);
});

Deno.test("helyos context set drops a token that no pin protects when the server changes, and says so", async () => {
  await using at = await withContexts(START);
  const same = await at.run("context set lab --server https://LAB:6443/");
  equal(same.stderr, "");
  match(await at.file(), /lab-token/);
  const moved = await at.run("context set lab --server https://evil:6443");
  equal(moved.code, 0);
  match(moved.stderr, /⚠ the token of context 'lab' was dropped/);
  for (const text of [await at.file(), await at.backup()]) equal(text.includes("lab-token"), false);
  const pinned = await at.run("context set prod --server https://new-host:6443");
  equal(pinned.stderr, "");
  match(await at.file(), /prod-token/);
  const plain = await at.run("context set prod --server http://new-host:6443 --json");
  equal(JSON.parse(plain.stdout).token_dropped, true, "a pin protects nothing over plain HTTP");
  equal((await at.file()).includes("prod-token"), false);
});

Deno.test("helyos logout drops the token and keeps server and pin", async () => {
  await using at = await withContexts(START);
  equal(
    (await at.run("logout")).stdout,
    "✓ Logged out of context 'prod' (server + pinned CA kept; re-login with one paste)\n",
  );
  equal(await at.file(), START.replace(/^token(-name)? = "(prod-token|alice)"\n/gm, ""));
  equal((await at.backup()).includes("prod-token"), false);
  equal((await at.run("logout lab")).code, 0);
  for (const text of [await at.file(), await at.backup()]) equal(text.includes("lab-token"), false);
});

Deno.test("helyos completions prints one script for each shell and refuses others", async () => {
  await using at = await withContexts(undefined);
  for (const shell of ["bash", "elvish", "fish", "powershell", "zsh"]) {
    match((await at.run(`completions ${shell}`)).stdout, /helyos __complete/);
  }
  const other = await at.run("completions csh");
  equal(other.code, 2);
  match(other.stderr, /possible values: bash, elvish, fish, powershell, zsh/);
});
