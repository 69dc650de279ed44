import { whoamiRequest } from "@helyos/api/identity";
import { command, type Surroundings } from "../../../command.ts";
import { connect, type Connection } from "../../../connect.ts";
import { openContexts } from "../../../contexts.ts";
import { unjudged } from "../../../listing.ts";
import { duration } from "../../../output/age.ts";
import { printNewToken } from "../../../new_token.ts";
import { sayJson, sayWarning } from "../../../say.ts";
import { readDuration } from "../../../seconds.ts";

/** What the daemon does when nothing is said. */
const DEFAULT_OVERLAP_SECONDS = 3_600;

export default command({
  summary: "Mint a new secret for a token; the old one works on for a while",
  details: `
--overlap takes whole seconds, or a whole number with s, m, h or d behind it: 0, 3600, 2h, 1d. With 0 the old secret
stops working at once.`,
  positionals: { NAME: { summary: "Which token", complete: "token" } },
  options: {
    overlap: { summary: "How long the old secret keeps working (default: 1h)", value: "SECS", read: readDuration },
  },
  async run({ args, options, globals, io }) {
    const { rotateToken } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const holders = await holdersOf(args.NAME, connection, { globals, io });
    const rotated = await connection.call(unjudged(rotateToken), { name: args.NAME, overlap_secs: options.overlap });
    if (globals.json) {
      sayJson({ globals, io }, rotated);
    } else {
      printNewToken({ globals, io }, `Rotated API token '${args.NAME}'`, rotated);
      const overlap = options.overlap ?? DEFAULT_OVERLAP_SECONDS;
      io.stdout.write(
        overlap === 0
          ? "\nThe old token no longer works.\n"
          : `\nThe old token works for another ${duration(overlap)}.\n`,
      );
    }
    if (holders.length === 0) return;
    const which = holders.length === 1
      ? `Context ${holders[0]} still holds`
      : `Contexts ${holders.join(", ")} still hold`;
    sayWarning(
      { globals, io },
      `${which} the old token. Give it the new one with: helyos login ${connection.server} --name <context>`,
    );
  },
});

/** Contexts of this daemon that have the token, quoted: by the name they noted at login, or because they are using it now. */
async function holdersOf(name: string, connection: Connection, { globals, io }: Surroundings): Promise<string[]> {
  const contexts = (await openContexts(io).read()).list().filter(({ server, token }) =>
    token !== undefined && server !== undefined && URL.parse(server)?.origin === URL.parse(connection.server)?.origin
  );
  const inUse = contexts.find((context) => context.name === connection.context);
  let own = inUse?.tokenName;
  // The context that a daemon writes at its first start does not say what its token is called.
  if (inUse && own === undefined && globals.token === undefined && !io.env("HELYOS_API_TOKEN")) {
    own = (await connection.call(whoamiRequest, {})).name;
  }
  return contexts
    .filter((context) => (context === inUse ? own : context.tokenName) === name)
    .map((context) => `'${context.name}'`);
}
