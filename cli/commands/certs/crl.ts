import { unlockCa } from "../../certs/ca.ts";
import { CRL_LIFETIME_DAYS, signCrl } from "../../certs/crl.ts";
import { minute } from "../../certs/deliver.ts";
import { pkiHome } from "../../certs/home.ts";
import { readLifetime } from "../../certs/options.ts";
import { PASSPHRASE_OPTION } from "../../certs/passphrase.ts";
import { withStore } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { sayDone } from "../../say.ts";

export default command({
  summary: "Sign the list of revoked certificates anew",
  details: `
'revoke' does this, too. A list counts for a while only: whoever demands one refuses everybody once it is over, so sign and hand
out the next one in time.`,
  options: {
    lifetime: {
      summary: `How long it counts: days, or 24h, 90m (default: ${CRL_LIFETIME_DAYS} days)`,
      value: "TIME",
      read: readLifetime,
    },
    ...PASSPHRASE_OPTION,
  },
  async run({ options, globals, io }) {
    const surroundings = { globals, io };
    const home = pkiHome(io);
    const signer = await unlockCa(surroundings, home, { passphraseFile: options["passphrase-file"] });
    const crl = await withStore(home, () => signCrl(signer, { lifetimeSeconds: options.lifetime, now: io.now() }));
    const text = `Signed list ${crl.number}: ${crl.revoked} revoked, counts until ${
      minute(crl.nextUpdate)
    }\n  ${crl.path}`;
    sayDone(surroundings, text, { ...crl, nextUpdate: crl.nextUpdate.toISOString() });
  },
});
