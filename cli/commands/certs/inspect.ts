import type { ShownName } from "@helyos/pki";
import { openCaIfAny } from "../../certs/ca.ts";
import { PAIR_TYPES, type PkiHome, pkiHome } from "../../certs/home.ts";
import { certificatesOf, presentedBy, readAddress, type Shown, shown } from "../../certs/shown.ts";
import { readPair, settleIfNeeded } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { CliError, reasonOf } from "../../failure.ts";
import type { Io } from "../../io.ts";
import { visible } from "../../output/text.ts";
import { sayJson } from "../../say.ts";

const SERVICE = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

async function ofService(home: PkiHome, name: string): Promise<Shown[]> {
  await settleIfNeeded(home);
  const pairs = await Promise.all(PAIR_TYPES.map((type) => readPair(home, name, type)));
  const found = pairs.flatMap((pair) =>
    pair?.certPem === undefined ? [] : certificatesOf(new TextEncoder().encode(pair.certPem), pair.cert)
      .map((certificate) => shown(certificate, pair.cert))
  );
  if (found.length > 0 || name !== "ca") return found;
  const ca = await openCaIfAny(home);
  if (ca === undefined) return [];
  const signing = ca.between.length === 0 ? [] : [shown(ca.signing, home.intermediateCert)];
  return [...signing, shown(ca.anchor, home.caCert)];
}

async function ofFile(io: Io, path: string): Promise<Shown[] | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await io.readFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw new CliError(`cannot read ${path}: ${reasonOf(cause)}`, { code: "unreadable", cause });
  }
  return certificatesOf(bytes, path).map((certificate) => shown(certificate, path));
}

/** A service of that name comes first, then a file, then an address. */
async function find(io: Io, what: string): Promise<Shown[]> {
  const home = pkiHome(io);
  const service = SERVICE.test(what) && what.length <= 63 ? await ofService(home, what) : [];
  if (service.length > 0) return service;
  const file = await ofFile(io, what);
  if (file !== undefined) return file;
  const address = readAddress(what);
  if (address !== undefined) return (await presentedBy(address)).map((certificate) => shown(certificate, what));
  throw new CliError(`'${what}' is no service with a certificate, no file and no HOST:PORT`, {
    code: "not_found",
    hint: "See what there is with: helyos certs list",
  });
}

const DAY_MS = 86_400_000;

/** What people look for first, so that they need not count. */
function standing({ notBefore, notAfter }: Shown["details"], now: Date): string {
  if (notBefore > now) return "not yet valid";
  const days = Math.floor(Math.abs(notAfter.getTime() - now.getTime()) / DAY_MS);
  const time = days === 0 ? "less than a day" : `${days} day${days === 1 ? "" : "s"}`;
  return notAfter < now ? `expired ${time} ago` : `${time} left`;
}

function page({ source, details, findings }: Shown, now: Date): string {
  const list = (values: readonly string[] | null) => values === null || values.length === 0 ? "-" : values.join(", ");
  const named = (names: readonly ShownName[]) => names.map(({ kind, value }) => `${kind}:${value}`);
  const { nameConstraints } = details;
  // What few certificates say is shown where it is said.
  const rare: [string, readonly string[]][] = [
    ["permitted", named(nameConstraints?.permitted ?? [])],
    ["excluded", named(nameConstraints?.excluded ?? [])],
    ["policies", details.policies],
    ["lists at", details.crlUrls],
    ["OCSP at", details.ocspUrls],
    ["issuer at", details.issuerUrls],
    ["logged", (details.logPromises ?? []).map(({ timestamp }) => timestamp.toISOString())],
  ];
  const rows: [string, string][] = [
    ["found in", source],
    ["subject", details.subject],
    ["issuer", details.isSelfSigned ? `${details.issuer} (itself)` : details.issuer],
    ["valid from", details.notBefore.toISOString()],
    ["valid until", `${details.notAfter.toISOString()} (${standing(details, now)})`],
    ["names", list(named(details.names))],
    ["serial", details.serial],
    ["key", details.key.algorithm + (details.key.weakness === null ? "" : ` (${details.key.weakness})`)],
    ["signature", details.signatureAlgorithm],
    ["CA", details.isCa ? `yes, path length ${details.pathLength ?? "unlimited"}` : "no"],
    ["key usage", list(details.keyUsage)],
    ["purposes", list(details.extendedKeyUsage)],
    ...rare.filter(([, values]) => values.length > 0).map(([key, values]): [string, string] => [key, list(values)]),
    ["key id", details.subjectKeyIdentifier ?? "-"],
    ["issuer key", details.authorityKeyIdentifier ?? "-"],
    ["sha256", details.fingerprints.sha256],
    ["sha256 of key", details.fingerprints.spkiSha256],
    ...findings.map(({ severity, message, section }): [string, string] => [severity, `${message} (${section})`]),
  ];
  return rows.map(([key, value]) => `${key.padStart(13)}  ${visible(value)}\n`).join("");
}

export default command({
  summary: "Show everything a certificate says, and what is wrong with how it is built",
  details: `
A service of that name comes first ('ca' is the CA), then a file, then an address, whose server is asked and not believed.
With --json it is a list: a file, a service and a server may have several.`,
  positionals: { CERTIFICATE: { summary: "FILE, SERVICE or HOST:PORT", complete: "file" } },
  async run({ args, globals, io }) {
    const found = await find(io, args.CERTIFICATE);
    if (globals.json) {
      return sayJson({ globals, io }, found.map(({ source, details, findings }) => ({ source, ...details, findings })));
    }
    io.stdout.write(found.map((one) => page(one, io.now())).join("\n"));
  },
});
