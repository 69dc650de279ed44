import { command } from "../../../command.ts";
import { connect } from "../../../connect.ts";
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
  positionals: { NAME: { summary: "Which token" } },
  options: {
    overlap: { summary: "How long the old secret keeps working (default: 1h)", value: "SECS", read: readDuration },
  },
  async run({ args, options, globals, io }) {
    const { rotateToken } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
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
    const holders = (await openContexts(io).read()).list()
      .filter(({ server, token, tokenName }) => server === connection.server && token && tokenName === args.NAME)
      .map(({ name }) => `'${name}'`);
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
