import { refuseExpired, unlockCa } from "../../certs/ca.ts";
import { minute } from "../../certs/deliver.ts";
import { PUBLIC } from "../../certs/files.ts";
import { pkiHome } from "../../certs/home.ts";
import { DEFAULT_LIFETIME_SECONDS, OUT_OPTION, readLifetime } from "../../certs/options.ts";
import { writeAnswer } from "../../certs/output_file.ts";
import { PASSPHRASE_OPTION } from "../../certs/passphrase.ts";
import { readRequest, requestedType, signRequest } from "../../certs/sign.ts";
import { withStore } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { CliError, reasonOf } from "../../failure.ts";
import { visible } from "../../output/text.ts";
import { sayJson } from "../../say.ts";

export default command({
  summary: "Sign a certificate request; its key never comes here",
  details: `
The certificate is printed, with an intermediate's behind it. It holds the names the request asks for: look at them on standard
error, for whoever made the request chose them. Without --type a request with host names or addresses is a server's, another
a client's.`,
  positionals: { CSR: { summary: "The request, PEM or DER", complete: "file" } },
  options: {
    type: { summary: "What it may be used for", value: "TYPE", choices: ["client", "server", "peer"] },
    lifetime: {
      summary: "How long it lives: days, or 24h, 90m (default: 365 days); never longer than the CA",
      value: "TIME",
      read: readLifetime,
    },
    ...OUT_OPTION,
    ...PASSPHRASE_OPTION,
  },
  async run({ args, options, globals, io }) {
    const surroundings = { globals, io };
    const home = pkiHome(io);
    const bytes = await io.readFile(args.CSR).catch((cause) => {
      throw new CliError(`cannot read ${args.CSR}: ${reasonOf(cause)}`, { code: "unreadable", cause });
    });
    const request = await readRequest(bytes, args.CSR);
    const signer = await unlockCa(surroundings, home, { passphraseFile: options["passphrase-file"] });
    refuseExpired(signer.ca, io.now());
    const type = options.type ?? requestedType(request);
    const lifetimeSeconds = options.lifetime ?? DEFAULT_LIFETIME_SECONDS;
    const certificate = await withStore(
      home,
      () => signRequest(signer, request, { type, lifetimeSeconds, now: io.now() }),
    );
    const pem = [certificate.pem, ...signer.ca.between].join("");
    const names = request.requestedNames.map(({ value }) => value);
    const facts = {
      type,
      subject: request.subject.toString(),
      names,
      serial: certificate.serial,
      notAfter: certificate.notAfter.toISOString(),
    };
    const done = `Signed as ${type} for ${names.join(", ") || request.subject}, until ${minute(certificate.notAfter)}`;
    if (options.out !== undefined) {
      await writeAnswer(surroundings, { path: options.out, mode: PUBLIC, done, facts }, pem);
      return;
    }
    if (globals.json) return sayJson(surroundings, { ...facts, certificate: pem });
    io.stderr.write(`${visible(done)}\n`);
    io.stdout.write(pem);
  },
});
