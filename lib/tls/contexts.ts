/** The loaded configurations of a server, chosen by the name a client asks for. */
import { createSecureContext, type SecureContext } from "node:tls";
import type { TlsConfig } from "./config.ts";
import type { PathSink } from "./files.ts";
import { loadMaterial } from "./material.ts";
import { PathChecker } from "./path.ts";
import { serverOptionsOf, type ServerTlsOptions } from "./server_options.ts";

/** One configuration, loaded. */
export interface ServerContext {
  readonly options: ServerTlsOptions;
  /** What the platform uses when the client asks for one of this configuration's names. */
  readonly secure: SecureContext;
  /** How clients are judged; nothing when none are asked for a certificate. */
  readonly checker: PathChecker | undefined;
}

/** All configurations of a server, as they were at one instant. */
export class Contexts {
  /** The first configuration, for clients that ask for no name or an unknown one. */
  readonly main: ServerContext;
  /** Whether there are several. */
  readonly isPlural: boolean;
  readonly #byName: ReadonlyMap<string, ServerContext>;

  constructor(contexts: readonly ServerContext[], byName: ReadonlyMap<string, ServerContext>) {
    this.main = contexts[0]!;
    this.isPlural = contexts.length > 1;
    this.#byName = byName;
  }

  /** Finds the configuration whose certificate has a name, exactly or by its wildcard (RFC 9525 §6.3). */
  find(name: string | false | null | undefined): ServerContext {
    if (!name || !this.isPlural) return this.main;
    const wanted = name.toLowerCase();
    const dot = wanted.indexOf(".");
    return this.#byName.get(wanted) ?? (dot > 0 ? this.#byName.get(`*${wanted.slice(dot)}`) : undefined) ?? this.main;
  }
}

/**
 * Loads configurations. Of several with the same name the first one has it.
 *
 * @param configs The configurations, at least one.
 * @param seen Gets every path that was looked at, also when loading fails.
 * @throws {TlsConfigError} If one of them cannot be used.
 */
export async function loadContexts(configs: readonly TlsConfig[], seen: PathSink): Promise<Contexts> {
  const contexts: ServerContext[] = [];
  const byName = new Map<string, ServerContext>();
  for (const config of configs) {
    const material = await loadMaterial(config, seen);
    const options = serverOptionsOf(config, material);
    const checker = material.anchors && new PathChecker(material.anchors, material.revocations);
    const context: ServerContext = { options, secure: createSecureContext({ ...options }), checker };
    contexts.push(context);
    for (const { kind, value } of material.own!.leaf.names) {
      const name = value.toLowerCase();
      if ((kind === "dns" || kind === "ip") && !byName.has(name)) byName.set(name, context);
    }
  }
  return new Contexts(contexts, byName);
}
