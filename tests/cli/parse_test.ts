import { deepEqual, equal, match, throws } from "node:assert/strict";
import { type AnyCommand, command, type CommandTable, GLOBAL_OPTIONS } from "../../cli/command.ts";
import { ALL_COMMANDS } from "../../cli/certs/commands.ts";
import { UsageError } from "../../cli/failure.ts";
import { findCommand, parseRest, placeOf } from "../../cli/parse.ts";
import { similar } from "../../cli/suggest.ts";
import { usageLine } from "../../cli/usage.ts";

const logs = command({
  summary: "Show logs",
  positionals: {
    NAME: { summary: "The deployment" },
    COUNT: { summary: "How many", optional: true, read: Number },
  },
  options: {
    project: { summary: "Project", short: "p", value: "PROJECT" },
    tail: { summary: "Lines", short: "n", value: "N", read: whole },
    yes: { summary: "Do not ask", short: "y" },
    level: { summary: "Level", value: "LEVEL", choices: ["info", "error"] },
  },
  run: () => Promise.resolve(),
});
const create = command({
  summary: "Create",
  positionals: { NAME: { summary: "Name" } },
  options: { deployment: { summary: "Deployment", value: "D", required: true } },
  run: () => Promise.resolve(),
});

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number)) throw new TypeError("not a whole number");
  return number;
}

const leaf = (command: AnyCommand) => ({ summary: command.summary, load: () => Promise.resolve({ default: command }) });
const TABLE: CommandTable = {
  logs: leaf(logs),
  route: { summary: "Routes", commands: { create: { ...leaf(create), aliases: ["add"] } } },
};

function parse(line: string | readonly string[]) {
  const tokens = typeof line === "string" ? line.split(" ") : line;
  const request = findCommand(tokens, TABLE);
  if (request.kind !== "run") return request;
  const own = request.words[0] === "logs" ? logs : create;
  const parsed = parseRest(own, request.words, request.rest);
  return typeof parsed === "string" ? parsed : { words: request.words, ...parsed };
}

function parsed(line: string | readonly string[]) {
  const result = parse(line);
  if (typeof result === "string" || "kind" in result) throw new Error("no command was run");
  return result as unknown as {
    args: Record<string, unknown>;
    options: Record<string, unknown>;
    globals: Record<string, unknown>;
    words: string[];
  };
}

Deno.test("parse refuses what is no command or option, and suggests what may have been meant", () => {
  const refusals: [string, RegExp, RegExp | undefined][] = [
    ["lgos api", /^unrecognized subcommand 'lgos'$/, /'logs'/],
    ["route ad", /^unrecognized subcommand 'ad'$/, /'add'/],
    ["add", /^unrecognized subcommand 'add'$/, /^a similar subcommand exists: 'route create'$/],
    ["logs api --tial 3", /^unexpected argument '--tial' found$/, /'--tail'/],
    ["logs api --tail", /^a value is required for '--tail <N>' but none was supplied$/, undefined],
    ["logs api --tail -5", /^a value is required for '--tail <N>'/, /'--tail=-5'/],
    ["logs api -x", /^unexpected argument '-x' found$/, /'-- -x'/],
    ["logs api -5", /^unexpected argument '-5' found$/, /'-- -5'/],
    ["logs api --yes=no", /^unexpected value 'no' for '--yes' found; no more were expected$/, undefined],
    ["logs api --tail 3 --tail 4", /^the argument '--tail <N>' cannot be used multiple times$/, undefined],
    ["logs api -n3 --tail=4", /cannot be used multiple times$/, undefined],
    ["--server a logs --server b", /^the argument '--server <URL>' cannot be used multiple times$/, undefined],
    ["logs api --tail many", /^invalid value 'many' for '--tail <N>': not a whole number$/, undefined],
    [
      "logs api --level eror",
      /^invalid value 'eror' for '--level <LEVEL>'\n {2}\[possible values: info, error\]/,
      /'error'/,
    ],
    ["logs", /^the following required arguments were not provided:\n {2}<NAME>$/, undefined],
    ["route add", /not provided:\n {2}<NAME>\n {2}--deployment <D>$/, undefined],
    ["logs api 3 more", /^unexpected argument 'more' found$/, undefined],
    ["-p web logs api", /^unexpected argument '-p' found$/, undefined],
    ["--project web logs api", /^unexpected argument '--project' found$/, undefined],
    ["-- logs api", /^unexpected argument 'logs' found$/, undefined],
  ];
  for (const [line, message, hint] of refusals) {
    throws(() => parse(line), (error) => {
      if (!(error instanceof UsageError)) throw error;
      match(error.message, message, line);
      equal(error.exitCode, 2);
      match(error.usage ?? "", /^helyos /);
      if (hint) match(error.hint ?? "", hint, line);
      return true;
    });
  }
});

Deno.test("parse takes clap's spellings of an option", () => {
  for (
    const line of [
      "logs api -p web",
      "logs api -pweb",
      "logs api -p=web",
      "logs --project web api",
      "logs --project=web api",
    ]
  ) {
    const { args, options } = parsed(line);
    deepEqual([args.NAME, options.project], ["api", "web"], line);
  }
  const cluster = parsed("logs -yn3 api");
  deepEqual([cluster.options.yes, cluster.options.tail], [true, 3]);
  equal(parsed("logs api --tail=-5").options.tail, -5);
  equal(parsed("logs api -n-5").options.tail, -5);
  equal(parsed("logs api --project=").options.project, "");
  equal(parsed(["logs", "api", "--project", ""]).options.project, "");
  equal(parsed("logs api --project=a=b").options.project, "a=b");
});

Deno.test("parse takes global options anywhere on the line", () => {
  for (
    const line of [
      "--server https://h --json logs api",
      "logs --server https://h api --json",
      "logs api --json --server=https://h",
      "--json logs --server=https://h api",
    ]
  ) {
    const { globals } = parsed(line);
    deepEqual([globals.server, globals.json, globals.token], ["https://h", true, undefined], line);
  }
  deepEqual(parsed("route --context a create n --deployment d").words, ["route", "create"]);
});

Deno.test("parse ends options at -- and takes a lone dash for a value", () => {
  equal(parsed("logs -- --json").args.NAME, "--json");
  equal(parsed("logs -- --json").globals.json, false);
  equal(parsed("logs -- -5").args.NAME, "-5");
  equal(parsed("logs -").args.NAME, "-");
});

Deno.test("parse gives options between positionals their place, and reads values", () => {
  const { args, options } = parsed("logs api -p web 7 -y");
  deepEqual(args, { NAME: "api", COUNT: 7 });
  deepEqual(options, { project: "web", tail: undefined, yes: true, level: undefined });
});

Deno.test("parse answers help and version wherever they stand", () => {
  deepEqual(parse("--help"), { kind: "help", words: [] });
  deepEqual(parse("route -h"), { kind: "help", words: ["route"] });
  deepEqual(parse("help route add"), { kind: "help", words: ["route", "create"] });
  deepEqual(parse("route"), { kind: "help", words: ["route"], missing: true });
  equal(parse("logs --help"), "help");
  equal(parse("logs api -h"), "help");
  deepEqual(parse("-V"), { kind: "version", words: [] });
  equal(parse("logs -V"), "version");
  throws(() => parse("help lgos"), UsageError);
});

Deno.test("similar() offers near names, the nearest first, and nothing far away", () => {
  deepEqual(similar("stauts", ["status", "routes", "audit"]), ["status"]);
  deepEqual(similar("deploy", ["deployments", "nodes"]), ["deployments"]);
  deepEqual(similar("xyzzy", ["status", "pods"]), []);
});

Deno.test("ALL_COMMANDS is sound: summaries agree, names do not collide, required comes before optional", async () => {
  const globals = Object.entries(GLOBAL_OPTIONS);
  const shorts = globals.flatMap(([, option]) => "short" in option ? [option.short] : []);
  async function check(table: CommandTable, words: string[]): Promise<void> {
    const names = Object.entries(table).flatMap(([word, node]) => [word, ...node.aliases ?? []]);
    equal(new Set(names).size, names.length, `${words.join(" ")}: a word is taken twice`);
    for (const [word, node] of Object.entries(table)) {
      const path = [...words, word].join(" ");
      if (!("load" in node)) {
        await check(node.commands, [...words, word]);
        continue;
      }
      const loaded: AnyCommand = (await node.load()).default;
      equal(loaded.summary, node.summary, path);
      for (const [name, option] of Object.entries<{ short?: string }>(loaded.options ?? {})) {
        equal(globals.some(([global]) => global === name), false, `${path}: --${name} hides a global option`);
        equal(option.short !== undefined && shorts.includes(option.short as "h"), false, `${path}: -${option.short}`);
      }
      const optional = Object.values<{ optional?: true }>(loaded.positionals ?? {}).map((one) => one.optional ?? false);
      deepEqual(optional, [...optional].sort(), `${path}: an optional argument stands before a required one`);
      deepEqual(placeOf(path.split(" "), ALL_COMMANDS).words.join(" "), path);
    }
  }
  await check(ALL_COMMANDS, []);
});

Deno.test("parseRest() gives the last positional all that is left, if it takes many", () => {
  const install = command({
    summary: "Install",
    positionals: { NAME: { summary: "What" }, MACHINE: { summary: "Where", optional: true, many: true } },
    run: () => Promise.resolve(),
  });
  const many = (line: string) => {
    const parsed = parseRest(install, ["install"], { tokens: line.split(" "), globals: new Map() });
    return typeof parsed === "string" ? parsed : parsed.args as Record<string, unknown>;
  };
  deepEqual(many("ca"), { NAME: "ca", MACHINE: [] });
  deepEqual(many("ca a --json b -- -c"), { NAME: "ca", MACHINE: ["a", "b", "-c"] });
  const needed = command({
    summary: "Install",
    positionals: { MACHINE: { summary: "Where", many: true, choices: ["a", "b"] } },
    run: () => Promise.resolve(),
  });
  const none = { tokens: [], globals: new Map<string, unknown>() };
  throws(() => parseRest(needed, ["install"], none), { code: "usage", message: /<MACHINE>\.\.\./ });
  throws(() => parseRest(needed, ["install"], { ...none, tokens: ["a", "c"] }), { code: "usage", message: /'c'/ });
  match(usageLine(["install"], install), /<NAME> \[MACHINE\]\.\.\.$/);
});
