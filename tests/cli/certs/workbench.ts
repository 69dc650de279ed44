/**
 * A PKI home and a registry in a temporary folder, and `helyos certs …` run in it within the test's own process.
 *
 * @module
 */
import { equal } from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PkiHome, pkiHomeAt } from "../../../cli/certs/home.ts";
import { temporaryFolder } from "../../support/process.ts";
import { helyos, type Outcome, type TerminalOptions } from "../terminal.ts";

/** The seed's registry, with a service beside it whose host name is another domain's. */
export const REGISTRY = `# who runs where
hosts:
  mini1:
    ip: 10.0.0.5
    path: /srv/repo
services:
  api:
    hostname: api.internal
    aliases: [api.lan]
    current_host: mini1
    deployment_type: docker
    docker_compose: /api/docker-compose.yml
    port: 8400 # the one the proxy knows
  web:
    hostname: www.lan
    current_host: mini1
    docker_compose: /web/docker-compose.yml
`;

/** Where a test works. */
export interface Workbench extends AsyncDisposable {
  /** The temporary folder. */
  readonly folder: string;
  /** The CA's files. */
  readonly home: PkiHome;
  /** The registry's file. */
  readonly registry: string;
  /** Runs `helyos certs …`. */
  certs(line: string | readonly string[], options?: TerminalOptions): Promise<Outcome>;
  /** The same, which must succeed; its standard output. */
  ok(line: string | readonly string[], options?: TerminalOptions): Promise<string>;
  /** The same with `--json`. */
  // deno-lint-ignore no-explicit-any -- tests name the fields they look at
  json(line: string | readonly string[], options?: TerminalOptions): Promise<any>;
  /** Runs a program in the folder; its exit code and everything it said. */
  run(program: string, args: readonly string[]): Promise<{ code: number; text: string }>;
}

/** Sets up a workbench; without `init` there is no CA yet. */
export async function workbench(
  options: { readonly registry?: string; readonly init?: string | false } = {},
): Promise<Workbench> {
  const folder = await temporaryFolder();
  const registry = join(folder.path, "registry.yml");
  await writeFile(registry, options.registry ?? REGISTRY);
  const env = { HELYOS_PKI_HOME: join(folder.path, "pki"), HELYOS_REGISTRY: registry, HOME: folder.path };
  const certs: Workbench["certs"] = (line, terminal = {}) => {
    const words = typeof line === "string" ? line.split(" ") : line;
    return helyos(["certs", ...words], { ...terminal, env: { ...env, ...terminal.env } });
  };
  const ok: Workbench["ok"] = async (line, terminal) => {
    const outcome = await certs(line, terminal);
    equal(outcome.code, 0, outcome.stderr);
    return outcome.stdout;
  };
  const bench: Workbench = {
    folder: folder.path,
    home: pkiHomeAt(env.HELYOS_PKI_HOME),
    registry,
    certs,
    ok,
    async json(line, terminal) {
      const words = typeof line === "string" ? line.split(" ") : line;
      return JSON.parse(await ok([...words, "--json"], terminal));
    },
    async run(program, args) {
      const output = await new Deno.Command(program, { args: [...args], cwd: folder.path, stdin: "null" }).output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code: output.code, text: decode(output.stdout) + decode(output.stderr) };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  if (options.init !== false) await ok(`init-ca ${options.init ?? ""}`.trim());
  return bench;
}
