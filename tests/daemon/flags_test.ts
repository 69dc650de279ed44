import { deepEqual, equal, match, throws } from "node:assert/strict";
import { COMMANDS, helpText, parseCommandLine, type Values } from "../../daemon/flags.ts";

function values(...args: string[]): Values {
  const request = parseCommandLine(args);
  if (request.kind !== "run") throw new Error(`not a run but ${request.kind}`);
  return request.values;
}

function usage(...args: string[]): string {
  let text = "";
  throws(() => parseCommandLine(args), (error: Error) => {
    text = error.message;
    return error.name === "UsageError";
  });
  return text;
}

Deno.test("parseCommandLine() refuses what clap refuses, in its words", () => {
  match(usage("--port"), /^error: a value is required for '--port <PORT>' but none was supplied\n\nUsage: helyosd/);
  match(usage("--port", "--tls"), /a value is required for '--port <PORT>'/);
  match(usage("--port", "abc"), /^error: invalid value 'abc' for '--port <PORT>': invalid digit found in string/);
  match(usage("--port", "65536"), /65536 is not in 0\.\.=65535/);
  match(usage("--port=-1"), /invalid digit/);
  match(usage("--port=1", "--port=2"), /the argument '--port <PORT>' cannot be used multiple times/);
  match(usage("--insecure-http=yes"), /unexpected value 'yes' for '--insecure-http' found/);
  match(
    usage("--log-format", "xml"),
    /invalid value 'xml' for '--log-format <FORMAT>'\n {2}\[possible values: human, json\]/,
  );
  match(usage("stray"), /unrecognized subcommand 'stray'/);
  match(usage("--host", "::", "stray"), /unexpected argument 'stray' found/);
  match(usage("-x"), /unexpected argument '-x' found/);
  match(usage("token"), /requires a subcommand/);
  match(usage("token", "reset", "--json"), /unexpected argument '--json' found/);
  match(usage("ca", "--port", "1"), /unexpected argument '--port' found/);
});

Deno.test("parseCommandLine() suggests what was meant", () => {
  match(usage("--prot", "1"), /tip: a similar argument exists: '--port'/);
  match(usage("--tls-sans=x"), /'--tls-san'/);
  match(usage("--advertise", "x"), /'--advertise-addr'/);
  match(usage("tokens", "reset"), /tip: a similar subcommand exists: 'token'/);
  match(usage("token", "rest"), /'reset'/);
  equal(usage("--zzz").includes("tip:"), false);
});

Deno.test("parseCommandLine() takes values attached or following, and repeats where that is allowed", () => {
  equal(values("--host=0.0.0.0").one("host"), "0.0.0.0");
  equal(values("--host", "0.0.0.0").one("host"), "0.0.0.0");
  equal(values("--api-token=--odd=x").one("api-token"), "--odd=x");
  equal(values("--data-dir=").one("data-dir"), "");
  deepEqual(values("--tls-san", "a", "--tls-san=b").all("tls-san"), ["a", "b"]);
  equal(values("--check").has("check"), true);
  equal(values().has("check"), false);
});

Deno.test("parseCommandLine() finds help, version and subcommands", () => {
  equal(parseCommandLine(["--port", "1", "-h"]).kind, "help");
  equal(parseCommandLine(["-V"]).kind, "version");
  const reset = parseCommandLine(["token", "reset", "--data-dir", "/d"]);
  deepEqual(reset.kind === "run" && reset.command.words, ["token", "reset"]);
  const help = parseCommandLine(["token", "--help"]);
  deepEqual(help.kind === "help" && help.command.words, ["token", "reset"]);
});

Deno.test("helpText() names every flag of every command", () => {
  for (const command of COMMANDS) {
    const text = helpText(command);
    for (const flag of command.flags) match(text, new RegExp(`--${flag.name}\\b`));
  }
});
