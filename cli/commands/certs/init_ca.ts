import { isEncrypted } from "../../certs/ca.ts";
import { replaceIntermediate } from "../../certs/intermediate.ts";
import { command } from "../../command.ts";
import { CliError, reasonOf, UsageError } from "../../failure.ts";
import type { Io } from "../../io.ts";
import { pkiHome } from "../../certs/home.ts";
import { initCa } from "../../certs/init.ts";
import { ALGORITHMS, readLifetime } from "../../certs/options.ts";
import { findPassphrase, newPassphrase } from "../../certs/passphrase.ts";
import { sayDone, sayWarning } from "../../say.ts";

/** Reads a list with commas. */
function readList(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.includes("")) throw new RangeError("an item of the list is empty");
  return items;
}

async function readRootKey(io: Io, path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await io.readFile(path));
  } catch (cause) {
    throw new CliError(`cannot read ${path}: ${reasonOf(cause)}`, { code: "unreadable", cause });
  }
}

export default command({
  summary: "Make the CA, unless there is one",
  details: `
The CA is made in ~/.helyos/pki/ca (HELYOS_PKI_HOME moves ~/.helyos/pki): ca-cert.pem is what every host trusts, ca-key.pem
never leaves this machine. On a terminal a passphrase for the key is asked for; elsewhere --passphrase-file gives it, and
without one the key lies there unencrypted.

With --intermediate the CA is a root whose key, root-key.pem, you move to where nobody reaches it; an intermediate signs
from then on. Fetch the key for a new intermediate, before the one there is ends or when its key got lost:
  helyos certs init-ca --root-key /media/safe/root-key.pem --revoke-intermediate

--permit-dns and --permit-ip take lists with commas: whoever steals the key can then speak for nothing else.`,
  options: {
    intermediate: { summary: "Sign with an intermediate CA, so that the root's key can be kept offline" },
    "root-key": {
      summary: "Replace the intermediate by one that the root signs, with its key in this file",
      value: "FILE",
      complete: "file",
    },
    "revoke-intermediate": { summary: "With --root-key: revoke the intermediate there was" },
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
    if (options["root-key"] !== undefined) {
      const rootKey = await readRootKey(io, options["root-key"]);
      const passphrase = isEncrypted(rootKey)
        ? await findPassphrase(surroundings, { file: options["passphrase-file"], of: "the root's key" })
        : undefined;
      const revoke = options["revoke-intermediate"];
      await replaceIntermediate(home, { rootKey, passphrase, algorithm: options.algorithm, revoke, now: io.now() });
      const facts = { cert: home.intermediateCert, key: home.intermediateKey, revoked: revoke };
      const then = "helyos certs renew issues anew what the one before it signed";
      return sayDone(surroundings, `There is a new intermediate; ${then}\n  ${home.intermediateCert}`, facts);
    }
    if (options["revoke-intermediate"]) {
      throw new UsageError("--revoke-intermediate goes with --root-key", { usage: "helyos certs init-ca [OPTIONS]" });
    }
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
      if (options.intermediate && !result.intermediate) {
        sayWarning(
          surroundings,
          "It signs without an intermediate, and that cannot be changed: start a new CA for one",
        );
      }
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
