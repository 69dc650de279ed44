/**
 * What a deployment would put where: decided here, before any machine is spoken to.
 *
 * @module
 */
import { parseCertificates, verifyChain } from "@helyos/pki";
import { createHash } from "node:crypto";
import { parseDocument } from "yaml";
import { CliError } from "../../failure.ts";
import type { Ca } from "../ca.ts";
import { fileInfo, readText } from "../files.ts";
import { PAIR_TYPES, pairKey, type PairType, type PkiHome } from "../home.ts";
import { readRevocations } from "../ledger.ts";
import { type CertsSection, type Host, readCertsSection, type Registry, type Service } from "../registry.ts";
import { fingerprint, pairFault, readPair } from "../store.ts";
import { type Dressing, judgePath, type PlacedFile } from "./place.ts";

/** What goes to a machine for one pair of a service. */
export interface Deployment {
  /** Whose. */
  readonly service: Service;
  /** What for. */
  readonly type: PairType;
  /** The machine, as the registry calls it. */
  readonly machine: string;
  /** The folder of the certificate there. */
  readonly folder: string;
  /** Every file, with the modes it gets if the target says nothing else. */
  readonly files: readonly PlacedFile[];
  /** The service's own description there. */
  readonly serviceYml: string | undefined;
  /** SHA-256 of the certificate's DER. */
  readonly sha256: string;
}

/** What to plan. */
export interface DeploymentOrder {
  /** The registry. */
  readonly registry: Registry;
  /** The CA. */
  readonly ca: Ca;
  /** The service's name. */
  readonly service: string;
  /** What for. */
  readonly type: PairType;
  /** Where to; without it, where the service runs. */
  readonly machine?: string | undefined;
  /** Also the lists of revoked certificates. */
  readonly crl?: boolean;
  /** The time. */
  readonly now: Date;
}

/**
 * Plans a deployment.
 *
 * @param order What to deploy where.
 * @returns The plan.
 * @throws {CliError} If the pair is missing, no pair, or nobody would trust it; or the registry does not say where it goes.
 */
export async function planDeployment(order: DeploymentOrder): Promise<Deployment> {
  const { registry, ca, type, crl = false } = order;
  const service = registry.service(order.service);
  const machine = order.machine ?? service.currentHost;
  if (machine === undefined) {
    throw new CliError(`cannot tell where '${service.name}' runs`, {
      code: "bad_registry",
      hint: `Give services.${service.name} a current_host in ${registry.path}`,
    });
  }
  const host = registry.host(machine);
  const pair = await judgedPair(order, service);
  const places = placesOf(service, type, host);
  const sources = [
    { from: pair.cert, to: places.cert, mode: service.certs.certMode ?? "0644" },
    { from: pair.key, to: places.key, mode: service.certs.keyMode ?? "0600" },
    { from: ca.home.caCert, to: places.ca, mode: service.certs.certMode ?? "0644" },
  ];
  if (crl) {
    for (const from of [ca.home.crl, ca.home.rootCrl]) {
      if (await fileInfo(from) === undefined) continue;
      sources.push({ from, to: `${folderOf(places.ca)}/${lastName(from)}`, mode: service.certs.certMode ?? "0644" });
    }
  }
  const files = await Promise.all(sources.map(async (file) => ({ ...file, sha256: await hashOf(file.from) })));
  return {
    service,
    type,
    machine,
    folder: folderOf(places.cert),
    files,
    serviceYml: serviceYmlOf(service, host),
    sha256: fingerprint(pair.certificate),
  };
}

/**
 * The paths of a pair on a host.
 *
 * A server's are where the registry says; without that in `certs/` of the service's folder. A client's lie there under names of their own,
 * so that the two never replace each other.
 *
 * @param service The service.
 * @param type What for.
 * @param host The host.
 * @returns Absolute paths of certificate, key and CA.
 * @throws {CliError} If the registry lacks a path they follow from, or has one that makes no sense.
 */
export function placesOf(service: Service, type: PairType, host: Host): { cert: string; key: string; ca: string } {
  if (host.path === undefined) {
    throw new CliError(`cannot tell where services lie on ${host.name}`, {
      code: "bad_registry",
      hint: `Give hosts.${host.name} a path`,
    });
  }
  const own = (name: string): string => {
    if (service.directory === undefined) {
      throw new CliError(`cannot tell where '${service.name}' lies on ${host.name}`, {
        code: "bad_registry",
        hint: `Give services.${service.name} a docker_compose, service_file or working_dir`,
      });
    }
    return `${service.directory.replace(/\/+$/, "")}/certs/${name}`;
  };
  const inside = (path: string, field: string): string => {
    const base = host.path!.replace(/\/+$/, "");
    // The mistake the manual warns of: joined to the host's path, it would lead to a folder nobody reads.
    if (base !== "" && (path === base || path.startsWith(`${base}/`))) {
      throw new CliError(`${field} of '${service.name}' is a path of the host, not of the service: ${path}`, {
        code: "bad_registry",
        hint: `In the registry it is relative to hosts.${host.name}.path: ${path.slice(base.length)}`,
      });
    }
    const joined = `${base}/${path.replace(/^\/+/, "")}`;
    judgePath(joined, `${field} of '${service.name}'`);
    return joined;
  };
  if (type === "client") {
    const at = (name: string) => inside(own(name), "the folder");
    return { cert: at("client-cert.pem"), key: at("client-key.pem"), ca: at("ca-cert.pem") };
  }
  return {
    cert: inside(service.tlsCert ?? own(`${service.name}-cert.pem`), "tls_cert"),
    key: inside(service.tlsKey ?? own(`${service.name}-key.pem`), "tls_key"),
    ca: inside(service.caCert ?? own("ca-cert.pem"), "ca_cert"),
  };
}

/** Pairs of which two would go to one place, each with the refusal of it. */
export type SharedPlaces = ReadonlyMap<string, CliError>;

/**
 * Finds pairs that would replace each other on their host, as those of two services in one folder do: whoever is deployed last is then
 * taken for the other.
 *
 * @param registry The registry.
 * @param home The CA's files: only pairs that are there count.
 * @returns By `SERVICE/TYPE`.
 */
export async function sharedPlaces(registry: Registry, home: PkiHome): Promise<SharedPlaces> {
  const takers = new Map<string, { service: string; type: PairType }[]>();
  for (const name of registry.serviceNames) {
    for (const type of PAIR_TYPES) {
      try {
        const service = registry.service(name);
        if (service.currentHost === undefined) continue;
        const place = `${service.currentHost}:${placesOf(service, type, registry.host(service.currentHost)).key}`;
        takers.set(place, [...takers.get(place) ?? [], { service: name, type }]);
      } catch {
        // It has no place; that is told when it is its turn.
      }
    }
  }
  const shared = new Map<string, CliError>();
  for (const [place, all] of takers) {
    if (all.length < 2) continue;
    const there = await Promise.all(all.map(({ service, type }) => fileInfo(home.pair(service, type).cert)));
    const stored = all.filter((_, at) => there[at] !== undefined);
    if (stored.length < 2) continue;
    for (const { service, type } of stored) {
      const others = stored.filter((one) => one.service !== service || one.type !== type)
        .map((one) => `the ${one.type} key of '${one.service}'`);
      const message = `the ${type} key of '${service}' would be ${place}, and so would ${others.join(" and ")}`;
      const hint = "Give each a service_directory, or tls_cert and tls_key, of its own in the registry";
      shared.set(pairKey(service, type), new CliError(message, { code: "shared_place", hint }));
    }
  }
  return shared;
}

/**
 * What applies to a service's files: what its `service.yml` on the target says, and for the rest what the registry says. What is run and
 * looked at stands in the registry alone: whoever may write the service's folder must not choose commands for whom we log in as.
 *
 * @param service The service.
 * @param serviceYml The text of that file; undefined if there is none.
 * @returns Owner, modes, reload and probe.
 * @throws {CliError} If the file makes no sense.
 */
export function certsOf(service: Service, serviceYml: string | undefined): CertsSection {
  if (serviceYml === undefined) return service.certs;
  const of = `service.yml of '${service.name}'`;
  const document = parseDocument(serviceYml);
  const [error] = document.errors;
  let fields: unknown;
  try {
    fields = error === undefined ? document.toJS() : undefined;
  } catch {
    fields = undefined;
  }
  if (
    error !== undefined || (fields ?? undefined) !== undefined && (typeof fields !== "object" || Array.isArray(fields))
  ) {
    throw new CliError(`cannot read ${of} on the target: ${error?.message.split("\n", 1)[0] ?? "it is not a map"}`, {
      code: "bad_service_yml",
    });
  }
  const { reload: _reload, probe: _probe, ...ownership } = readCertsSection(
    (fields as { certs?: unknown } | null)?.certs,
    of,
  );
  return { ...service.certs, ...ownership };
}

/**
 * Owner and modes of a deployment's files.
 *
 * @param deployment The plan.
 * @param certs What applies to the service.
 * @returns What the target is told.
 * @throws {CliError} If the key would be open to everybody.
 */
export function dress({ service, files }: Deployment, certs: CertsSection): Dressing {
  const { owner, group, keyMode = "0600", certMode = "0644" } = certs;
  if (/[1-7]$/.test(keyMode)) {
    throw new CliError(`key_mode ${keyMode} of '${service.name}' would open its key to everybody`, {
      code: "open_key",
      hint: 'Let a group read it, with group: and key_mode: "0640"',
    });
  }
  const account = group === undefined ? owner : `${owner ?? ""}:${group}`;
  return {
    owner: account,
    files: files.map((file) => ({ ...file, mode: /-key\.pem$/.test(file.from) ? keyMode : certMode })),
  };
}

/** Nobody is sent what nobody will trust. */
async function judgedPair({ ca, type, now }: DeploymentOrder, service: Service) {
  const pair = await readPair(ca.home, service.name, type);
  const command = type === "client" ? "generate" : "generate-server";
  const hint = `Issue it with: helyos certs ${command} ${service.name}`;
  if (pair === undefined) {
    throw new CliError(`there is no ${type} certificate of '${service.name}'`, { code: "no_certificate", hint });
  }
  const fault = await pairFault(pair);
  if (fault !== undefined) {
    throw new CliError(`cannot deploy '${service.name}': ${fault}`, { code: "broken_pair", hint });
  }
  const [leaf, ...between] = parseCertificates(pair.certPem!);
  const verdict = await verifyChain(leaf!, between, [ca.anchor], { at: now, purpose: type });
  if (!verdict.ok) {
    throw new CliError(
      `cannot deploy '${service.name}': nobody would trust its ${type} certificate: ${verdict.reason}`,
      {
        code: "untrusted_certificate",
        hint,
      },
    );
  }
  if ((await readRevocations(ca.home)).has(leaf!.serial)) {
    throw new CliError(`cannot deploy '${service.name}': its ${type} certificate is revoked`, {
      code: "revoked",
      hint,
    });
  }
  return { cert: pair.cert, key: pair.key, certificate: leaf! };
}

function serviceYmlOf(service: Service, host: Host): string | undefined {
  const base = host.path!.replace(/\/+$/, "");
  const named = service.fields.service_file;
  if (typeof named === "string" && /\.ya?ml$/.test(named)) return `${base}/${named.replace(/^\/+/, "")}`;
  if (service.directory === undefined) return undefined;
  return `${base}/${service.directory.replace(/^\/+|\/+$/g, "")}/service.yml`.replaceAll("//", "/");
}

async function hashOf(path: string): Promise<string> {
  const text = await readText(path);
  if (text === undefined) throw new CliError(`cannot read ${path}: no such file or folder`, { code: "unreadable" });
  return createHash("sha256").update(text).digest("hex");
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
