import { openCa } from "../../certs/ca.ts";
import { PUBLIC, readText, SECRET } from "../../certs/files.ts";
import { PAIR_TYPES, pkiHome } from "../../certs/home.ts";
import { OUT_OPTION, TYPE_OPTION } from "../../certs/options.ts";
import { writeAnswer } from "../../certs/output_file.ts";
import { requiredNewPassphrase } from "../../certs/passphrase.ts";
import { pairFault, readPair, settleIfNeeded, type StoredPair } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { CliError, UsageError } from "../../failure.ts";
import { sayJson } from "../../say.ts";
import { join } from "node:path";

export default command({
  summary: "Export a service's certificate: with its key as PKCS#12, or as a chain in PEM",
  details: `
--chain prints the certificate and all above it, the CA last. --p12 writes certificate, chain and key to one file, encrypted under
a passphrase; without --out to certs/SERVICE/TYPE.p12 beside the PEM files.`,
  positionals: { SERVICE: { summary: "The service" } },
  options: {
    p12: { summary: "PKCS#12, for browsers, Java and Windows" },
    chain: { summary: "PEM, for servers that want the whole chain" },
    type: { ...TYPE_OPTION.type, summary: "Which pair is meant (default: client, or the only one there is)" },
    "passphrase-file": {
      summary: "Encrypt the PKCS#12 file under the first line of this file",
      value: "FILE",
      complete: "file",
    },
    ...OUT_OPTION,
  },
  async run({ args, options, globals, io }) {
    const surroundings = { globals, io };
    if (options.p12 === options.chain) {
      throw new UsageError("give either --p12 or --chain", { usage: "helyos certs export [OPTIONS] <SERVICE>" });
    }
    const home = pkiHome(io);
    await settleIfNeeded(home);
    const types = options.type === undefined ? PAIR_TYPES : [options.type];
    const pairs = await Promise.all(types.map((type) => readPair(home, args.SERVICE, type)));
    const pair: StoredPair | undefined = pairs.find((one) => one?.certificate !== undefined);
    if (pair?.certificate === undefined || pair.certPem === undefined) {
      const which = options.type === undefined ? "" : `${options.type} `;
      throw new CliError(`'${args.SERVICE}' has no ${which}certificate`, {
        code: "not_found",
        hint: "See what there is with: helyos certs list",
      });
    }
    const ca = await openCa(home);
    const { service, type, folder } = pair;
    if (options.chain) {
      const pem = pair.certPem.trimEnd() + "\n" + ca.anchorPem;
      const done = `Exported the chain of '${service}'`;
      if (options.out !== undefined) {
        await writeAnswer(surroundings, { path: options.out, mode: PUBLIC, done, facts: { service, type } }, pem);
      } else if (globals.json) sayJson(surroundings, { service, type, chain: pem });
      else io.stdout.write(pem);
      return;
    }
    const fault = await pairFault(pair);
    if (fault !== undefined) throw new CliError(`cannot export '${service}': ${fault}`, { code: "bad_pair" });
    const { exportPkcs12, importPrivateKey } = await import("@helyos/pki");
    const passphrase = await requiredNewPassphrase(surroundings, {
      file: options["passphrase-file"],
      of: "the new file",
    });
    const bytes = await exportPkcs12({
      key: await importPrivateKey((await readText(pair.key))!),
      certificate: pair.certificate.der,
      chain: [...ca.between, ca.anchorPem],
      passphrase,
    });
    const path = options.out ?? join(folder, `${type}.p12`);
    const done = `Exported certificate and key of '${service}'`;
    await writeAnswer(surroundings, { path, mode: SECRET, done, facts: { service, type } }, bytes);
  },
});
