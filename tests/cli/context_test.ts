import { deepEqual, equal, throws } from "node:assert/strict";
import { Contexts, formatContexts, parseContexts } from "../../cli/context.ts";

const one = (text: string) => parseContexts(text).list();

Deno.test("formatContexts() refuses what the format cannot carry", () => {
  for (const value of ['a"b', "a\nb", "a\rb", "a\0b"]) {
    for (const field of ["server", "token", "project", "tokenName"] as const) {
      throws(() => formatContexts(new Contexts([{ name: "a", [field]: value }])), { code: "invalid_value" });
    }
  }
  for (const name of ["", " a", "a ", "a]", "[a", 'a"', "a'", "a\nb", "a#b"]) {
    throws(() => formatContexts(new Contexts([{ name }])), { code: "invalid_context_name" }, JSON.stringify(name));
  }
});

Deno.test("formatContexts() writes every byte as the contract has it", () => {
  const contexts = new Contexts([
    {
      name: "prod",
      server: "https://h:6443",
      token: "nxa-api_1",
      project: "web",
      tokenName: "alice",
      ca: "Q0E=",
      caSha256: "9f:86",
    },
    { name: "Zoo", server: "http://localhost:6443" },
    { name: "a.b", server: "https://x", insecure: true },
  ], "prod");
  equal(
    formatContexts(contexts),
    `# Managed by \`helyos\`. Edit with \`helyos context\` / \`helyos login\`.
current-context = "prod"

[context.Zoo]
server = "http://localhost:6443"

[context.a.b]
server = "https://x"
insecure = true

[context.prod]
server = "https://h:6443"
token = "nxa-api_1"
project = "web"
token-name = "alice"
ca = "Q0E="
ca-sha256 = "9f:86"
`,
  );
  equal(formatContexts(new Contexts()), "# Managed by `helyos`. Edit with `helyos context` / `helyos login`.\n");
  deepEqual(parseContexts(formatContexts(contexts)), contexts);
  equal(formatContexts(parseContexts(formatContexts(contexts))), formatContexts(contexts));
});

Deno.test("parseContexts() is lenient: comments, quotes, spaces, CRLF, unknown keys and sections", () => {
  deepEqual(
    one(`\ufeff  # a comment\r
current-context='prod'   # trailing\r
[other]
server = "https://ignored"
[context."prod"]  # the main one
  server="https://h:6443" # with a comment
  token = nxa-api_1 # bare
  ca = "Q0E="   # base64 of # the PEM
  project = 'we"b'
  unknown = "x"
  token-name = ""
  no equals sign
  insecure = yes
[context.a.b]
insecure = true
[context.prod]
token = "second"
`),
    [
      { name: "a.b", insecure: true },
      { name: "prod", server: "https://h:6443", token: "second", project: 'we"b', ca: "Q0E=" },
    ],
  );
  equal(parseContexts("current-context='prod'   # trailing").current, "prod");
});

Deno.test("parseContexts() takes a legacy file for one context, unless there are sections", () => {
  deepEqual(one('server = "https://h"\ntoken = "t"\n'), [{ name: "default", server: "https://h", token: "t" }]);
  deepEqual(one('server = "https://h"\n[context.a]\n'), [{ name: "a" }]);
  deepEqual(one("[other]\n"), []);
});

Deno.test("Contexts.active() takes the one asked for, then the current, then the only one", () => {
  const two = new Contexts([{ name: "a" }, { name: "b" }], "b");
  equal(two.active("a")?.name, "a");
  equal(two.active()?.name, "b");
  equal(two.withCurrent("gone").active(), undefined);
  equal(new Contexts([{ name: "a" }], "gone").active()?.name, "a");
  throws(() => two.active("c"), { message: "no context named 'c'" });
  equal(two.without("b").current, undefined);
  equal(two.without("a").current, "b");
});
