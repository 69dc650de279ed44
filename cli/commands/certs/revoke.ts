import { unlockCa } from "../../certs/ca.ts";
import { minute } from "../../certs/deliver.ts";
import { pkiHome } from "../../certs/home.ts";
import { TYPE_OPTION } from "../../certs/options.ts";
import { PASSPHRASE_OPTION } from "../../certs/passphrase.ts";
import { REASONS, revokeService } from "../../certs/revoke.ts";
import { withStore } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Revoke a service's certificates and sign a new revocation list",
  details: `
Every certificate of the service that has not expired is revoked, also those issued before the ones on the disk. Nothing is
asked, and without --reason none is given. It counts for whoever has the new list: hand out ca/crl.pem.`,
  positionals: { SERVICE: { summary: "The service; for a signed request the common name it was signed for" } },
  options: {
    reason: { summary: "Why", value: "REASON", choices: REASONS },
    ...TYPE_OPTION,
    ...PASSPHRASE_OPTION,
  },
  async run({ args, options, globals, io }) {
    const surroundings = { globals, io };
    const home = pkiHome(io);
    const signer = await unlockCa(surroundings, home, { passphraseFile: options["passphrase-file"] });
    const service = args.SERVICE;
    const { serials, crl } = await withStore(home, () =>
      revokeService(signer, {
        service,
        type: options.type,
        reason: options.reason ?? "unspecified",
        now: io.now(),
      }));
    const what = serials.length === 0
      ? `Nothing of '${service}' was left to revoke`
      : `Revoked ${serials.length} certificate${serials.length === 1 ? "" : "s"} of '${service}'`;
    const until = minute(crl.nextUpdate);
    sayDone(surroundings, `${what}\n  ${crl.path}, number ${crl.number}, counts until ${until}`, {
      service,
      serials,
      crl: { ...crl, nextUpdate: crl.nextUpdate.toISOString() },
    });
  },
});
