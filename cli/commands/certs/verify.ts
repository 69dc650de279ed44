import { openCa } from "../../certs/ca.ts";
import { crlPems } from "../../certs/crl.ts";
import { fileInfo } from "../../certs/files.ts";
import { PAIR_TYPES, type PkiHome, pkiHome, registryPath } from "../../certs/home.ts";
import { type LeafNames, namesFor } from "../../certs/issue.ts";
import { type Fault, judgeCertificate, judgePair, type Judges } from "../../certs/judge.ts";
import { openRegistry, type Registry } from "../../certs/registry.ts";
import { certificatesOf } from "../../certs/shown.ts";
import { listPairs, readPair, settleIfNeeded, type StoredPair } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { CliError, reasonOf } from "../../failure.ts";
import type { Io } from "../../io.ts";
import { failure, success } from "../../output/message.ts";
import { outputStyle, sayJson } from "../../say.ts";

interface Verdict {
  readonly service?: string;
  readonly type?: string;
  readonly path: string;
  readonly fault: Fault | undefined;
}

async function registryIfAny(io: Io): Promise<Registry | undefined> {
  const path = registryPath(io);
  return await fileInfo(path) === undefined ? undefined : await openRegistry(path);
}

/** The names the registry wants in it; none are asked for when the registry does not know the service. */
function wantedNames(registry: Registry | undefined, { service }: StoredPair): LeafNames | undefined {
  return registry?.serviceNames.includes(service) ? namesFor(registry.service(service), "client") : undefined;
}

/** What the registry says of one service and makes no sense is that one's fault. */
async function judge(pair: StoredPair, judges: Judges, registry: Registry | undefined): Promise<Fault | undefined> {
  try {
    return await judgePair(pair, judges, wantedNames(registry, pair));
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { rule: "registry", reason: error.message };
  }
}

async function pairsOf(home: PkiHome, service: string | undefined): Promise<StoredPair[]> {
  if (service === undefined) return await listPairs(home);
  const pairs = await Promise.all(PAIR_TYPES.map((type) => readPair(home, service, type)));
  return pairs.filter((pair) => pair !== undefined);
}

async function bytesOf(io: Io, path: string): Promise<Uint8Array> {
  try {
    return await io.readFile(path);
  } catch (cause) {
    const hint = "Name a service with certificates, or a file, PEM or DER";
    throw new CliError(`cannot verify '${path}': ${reasonOf(cause)}`, { code: "unreadable", hint, cause });
  }
}

export default command({
  summary: "Verify that certificates and keys belong together and that the CA stands behind them",
  details: `
Without an argument every certificate of every service is verified: key and certificate are a pair, the chain leads to the CA,
dates, purpose, revocation, and that it holds the names the registry has for the service.`,
  positionals: {
    CERTIFICATE: { summary: "SERVICE or FILE; all services if left out", optional: true, complete: "file" },
  },
  async run({ args, globals, io }) {
    const home = pkiHome(io);
    await settleIfNeeded(home);
    const judges = { ca: await openCa(home), crls: await crlPems(home), now: io.now() };
    const what = args.CERTIFICATE;
    const isName = what === undefined || (/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(what) && what.length <= 63);
    const pairs = isName ? await pairsOf(home, what) : [];
    const verdicts: Verdict[] = [];
    if (what !== undefined && pairs.length === 0) {
      const certificates = certificatesOf(await bytesOf(io, what), what);
      verdicts.push({ path: what, fault: await judgeCertificate(certificates, judges, "any") });
    }
    const registry = pairs.length > 0 ? await registryIfAny(io) : undefined;
    for (const pair of pairs) {
      const { service, type, cert: path } = pair;
      verdicts.push({ service, type, path, fault: await judge(pair, judges, registry) });
    }
    const bad = verdicts.filter(({ fault }) => fault !== undefined);
    if (globals.json) {
      sayJson(
        { globals, io },
        verdicts.map(({ fault, ...place }) => ({ ...place, ok: fault === undefined, ...fault })),
      );
      return bad.length > 0 ? 1 : 0;
    }
    const style = outputStyle({ globals, io });
    for (const { path, fault } of verdicts) {
      const where = fault?.section === undefined ? "" : ` (${fault.section})`;
      io.stdout.write(fault ? failure(style, `${path}: ${fault.reason}${where}`) : success(style, path));
    }
    if (verdicts.length === 0) io.stdout.write("There is nothing to verify\n");
    if (bad.length === 0) return 0;
    const stale = bad.some(({ fault }) => fault?.rule === "crl" || fault?.rule === "revocation");
    throw new CliError(`${bad.length} of ${verdicts.length} failed`, {
      code: "not_valid",
      hint: stale ? "Sign the revocation list anew with: helyos certs crl" : undefined,
    });
  },
});
