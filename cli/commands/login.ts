import { command, type Surroundings } from "../command.ts";
import { openConnection, type Target, warnOfTokenOnLine } from "../connect.ts";
import { checkContextName, type Context, type Contexts, isStorable } from "../context.ts";
import { noPlace, openContexts } from "../contexts.ts";
import { CliError } from "../failure.ts";
import { readIdentity } from "../identity.ts";
import { findToken } from "../login/token.ts";
import { establishTrust, type Trust } from "../login/trust.ts";
import { sayDone } from "../say.ts";
import { nameFromServer, normaliseServer } from "../server.ts";

export default command({
  summary: "Log in to a daemon and pin its CA",
  details: `
The token comes from --token, --token-stdin, --token-file, HELYOS_API_TOKEN or a hidden question, in this order.

Trust, from the strictest:
  helyos login HOST --ca-file ca.pem            pin a CA you have
  helyos login HOST --ca-fingerprint 9f:86:…    pin the server's CA if it is this one
  helyos login HOST                             show the server's CA and ask (on a terminal only)`,
  positionals: { SERVER: { summary: "Address of the daemon; https:// and :6443 may be left out" } },
  options: {
    name: { summary: "Name of the context; made from the host if left out", value: "NAME" },
    "token-stdin": { summary: "Read the token from standard input (one line)" },
    "token-file": { summary: "Read the token from the first line of this file", value: "FILE", complete: "file" },
    "ca-file": { summary: "Pin the CA in this PEM file instead of fetching it", value: "PEM", complete: "file" },
    "ca-fingerprint": {
      summary: "Refuse any CA but the one with this SHA-256 (of the PEM, the certificate or the public key)",
      value: "SHA256",
    },
    "insecure-skip-tls-verify": { summary: "Do not verify the server at all (insecure)" },
    "insecure-http": { summary: "Allow plain http:// to another machine (insecure)" },
    project: { summary: "Default project of the context", short: "p", value: "PROJECT" },
    "no-set-current": { summary: "Do not make the context the active one" },
  },
  async run({ args, options, globals, io }) {
    const surroundings: Surroundings = { globals, io };
    const server = normaliseServer(args.SERVER);
    if (options.name !== undefined) checkContextName(options.name);
    if (globals.token !== undefined) warnOfTokenOnLine(surroundings);
    const store = openContexts(io);
    if (store.path === "") throw noPlace();
    const contexts = await store.read();
    const known = pinOf(earlier(contexts, { server, name: options.name }));
    const trust = await establishTrust(surroundings, {
      server,
      skipVerify: options["insecure-skip-tls-verify"],
      allowHttp: options["insecure-http"],
      caFile: options["ca-file"],
      fingerprint: options["ca-fingerprint"],
      known,
      pinned: [known, ...contexts.list().filter((context) => context.server === server).map(pinOf)]
        .filter((ca) => ca !== undefined),
    });
    const sources = { stdin: options["token-stdin"], file: options["token-file"], server };
    const token = await findToken(surroundings, sources);
    const tokenName = await checkToken(surroundings, targetOf(server, { token, trust }));
    let name = "";
    await store.update((contexts) => {
      name = options.name ?? earlier(contexts, { server, name: undefined })?.name ?? freeName(contexts, server);
      const kept = earlier(contexts, { server, name });
      const saved = contexts.with(
        contextOf({ name, server, token, tokenName, trust, project: options.project ?? kept?.project }),
      );
      return options["no-set-current"] ? saved : saved.withCurrent(name);
    });
    const active = !options["no-set-current"];
    const then = active
      ? `Context '${name}' is now active.`
      : `Context '${name}' was saved; switch to it with: helyos context use ${name}`;
    const facts = { active, context: name, server, tls: trust.tls, token_name: tokenName ?? null };
    sayDone(surroundings, `Logged in to ${server} as '${tokenName ?? "token"}'. ${then}`, facts);
  },
});

/** The context this login is a return to: the one named, or one of this server that was logged out of. */
function earlier(
  contexts: Contexts,
  { server, name }: { server: string; name: string | undefined },
): Context | undefined {
  const same = contexts.list().filter((context) => context.server === server);
  if (name !== undefined) return same.find((context) => context.name === name);
  return same.find((context) => context.token === undefined && (context.ca !== undefined || context.insecure));
}

function pinOf(context: Context | undefined): string | undefined {
  return context?.insecure ? undefined : context?.ca;
}

function freeName(contexts: Contexts, server: string): string {
  const base = nameFromServer(server);
  let name = base;
  for (let count = 2; contexts.has(name); count++) name = `${base}-${count}`;
  return name;
}

function targetOf(server: string, { token, trust }: { token: string; trust: Trust }): Target {
  const ca = trust.ca && new TextDecoder().decode(trust.ca.pem);
  return { server, tls: trust.tls, ca, token, context: undefined, project: undefined, heldBack: undefined };
}

/** Nothing is saved unless the daemon knows the token, over the connection that will be used from now on. */
async function checkToken({ globals }: Surroundings, target: Target): Promise<string | undefined> {
  await using connection = openConnection(target, globals.proxy);
  try {
    return (await readIdentity(connection)).name || undefined;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(`could not validate the token (GET /api/v1/whoami failed): ${error.message}`, {
      code: error.code,
      hint: error.hint,
      cause: error,
    });
  }
}

interface Saved {
  readonly name: string;
  readonly server: string;
  readonly token: string;
  readonly tokenName: string | undefined;
  readonly trust: Trust;
  readonly project: string | undefined;
}

/** The daemon chose the token's name, which is a reminder and nothing else: one that the file cannot carry is left out. */
function contextOf({ trust, tokenName, ...rest }: Saved): Context {
  const kept = tokenName !== undefined && isStorable(tokenName) ? tokenName : undefined;
  return {
    ...rest,
    tokenName: kept,
    insecure: trust.tls === "insecure",
    ca: trust.ca?.pem.toBase64(),
    caSha256: trust.ca?.sha256,
  };
}
