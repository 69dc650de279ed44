import { command } from "../../command.ts";
import { pkiHome } from "../../certs/home.ts";
import { initCa } from "../../certs/init.ts";
import { ALGORITHMS, readLifetime } from "../../certs/options.ts";
import { newPassphrase } from "../../certs/passphrase.ts";
import { sayDone, sayWarning } from "../../say.ts";

/** Reads a list with commas. */
function readList(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.includes("")) throw new RangeError("an item of the list is empty");
  return items;
}

export default command({
  summary: "Make the CA, unless there is one",
  details: `
The CA is made in ~/.helyos/pki/ca (HELYOS_PKI_HOME moves ~/.helyos/pki): ca-cert.pem is what every host trusts, ca-key.pem
never leaves this machine. On a terminal a passphrase for the key is asked for; elsewhere --passphrase-file gives it, and
without one the key lies there unencrypted.

With --intermediate the CA is a root whose key, root-key.pem, you move to where nobody reaches it; an intermediate signs
from then on.

--permit-dns and --permit-ip take lists with commas: whoever steals the key can then speak for nothing else.`,
  options: {
    intermediate: { summary: "Sign with an intermediate CA, so that the root's key can be kept offline" },
    "permit-dns": { summary: "The only domains it may speak for, as in internal,lan", value: "NAMES", read: readList },
    "permit-ip": { summary: "The only addresses it may speak for, as in 10.0.0.0/8", value: "BLOCKS", read: readList },
    lifetime: { summary: "How long it lives (default: 3650 days)", value: "TIME", read: readLifetime },
    algorithm: { summary: "Key (default: ec-p256)", value: "KIND", choices: ALGORITHMS },
    "passphrase-file": {
      summary: "Encrypt the key under the first line of this file",
      value: "FILE",
      complete: "file",
    },
  },
  async run({ options, globals, io }) {
    const surroundings = { globals, io };
    const home = pkiHome(io);
    const [dns, ip] = [options["permit-dns"], options["permit-ip"]];
    const permit = dns === undefined && ip === undefined
      ? undefined
      : { ...(dns === undefined ? {} : { dns }), ...(ip === undefined ? {} : { ip }) };
    const result = await initCa(home, {
      intermediate: options.intermediate,
      algorithm: options.algorithm,
      lifetimeSeconds: options.lifetime,
      permit,
      passphrase: () => newPassphrase(surroundings, { file: options["passphrase-file"], of: "the CA's key" }),
      now: io.now(),
    });
    const keyPath = result.intermediate ? home.intermediateKey : home.caKey;
    const facts = { created: result.created, intermediate: result.intermediate, cert: home.caCert, key: keyPath };
    if (!result.created) {
      sayDone(surroundings, `There is a CA already; nothing was changed\n  ${home.caCert}\n  ${keyPath}`, facts);
      return;
    }
    const encrypted = result.encrypted === true;
    sayDone(surroundings, `CA made\n  ${home.caCert}\n  ${keyPath}`, {
      ...facts,
      encrypted,
      ...(result.intermediate ? { rootKey: home.rootKey } : {}),
    });
    if (result.intermediate) {
      sayWarning(
        surroundings,
        `Move ${home.rootKey} to where nobody reaches it: it is needed for a new intermediate alone`,
      );
    }
    if (!encrypted) {
      sayWarning(surroundings, "The key is not encrypted: whoever reads the file can speak for every service");
    }
  },
});
