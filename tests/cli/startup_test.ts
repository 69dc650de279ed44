import { deepEqual, equal } from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).href;

interface Dependency {
  readonly specifier: string;
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier: string };
}

/** Everything that loading these files loads at once, relative to the checkout. */
function loadedBy(...entries: string[]): Promise<string[]> {
  return reachedFrom(entries, (dependency) => !dependency.isDynamic);
}

async function reachedFrom(entries: readonly string[], follow: (dependency: Dependency) => boolean): Promise<string[]> {
  const loaded = new Set<string>();
  for (const entry of entries) {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--quiet", "--json", new URL(entry, ROOT).href],
      stderr: "null",
      cwd: new URL(ROOT),
    }).output();
    equal(success, true, entry);
    const { modules, redirects, roots } = JSON.parse(new TextDecoder().decode(stdout)) as {
      modules: readonly { specifier: string; dependencies?: readonly Dependency[] }[];
      redirects: Readonly<Record<string, string>>;
      roots: readonly string[];
    };
    const graph = new Map(modules.map((module) => [module.specifier, module.dependencies ?? []]));
    const visit = (specifier: string): void => {
      const name = redirects[specifier] ?? specifier;
      if (loaded.has(name)) return;
      loaded.add(name);
      for (const dependency of graph.get(name) ?? []) {
        if (dependency.code && follow(dependency)) visit(dependency.code.specifier);
      }
    };
    roots.forEach(visit);
  }
  return [...loaded].map((specifier) => specifier.replace(ROOT, "")).sort();
}

Deno.test("cli/main.ts loads no package, no node module and no library at once", async () => {
  deepEqual((await loadedBy("cli/main.ts")).filter((specifier) => !specifier.startsWith("cli/")), []);
});

Deno.test("cli/main.ts never reaches helyos certs: Deno reads the whole graph at each start", async () => {
  const reached = await reachedFrom(["cli/main.ts"], () => true);
  equal(reached.includes("cli/commands/whoami.ts"), true);
  deepEqual(reached.filter((specifier) => /^cli\/(commands\/)?certs\/|^npm:.*yaml|pki\/issue/.test(specifier)), []);
});

Deno.test("what helyos whoami loads holds no package and nothing that issues certificates", async () => {
  const loaded = await loadedBy(
    "cli/commands/whoami.ts",
    "lib/api/identity.ts",
    "lib/api/client.ts",
    "lib/pinning/mod.ts",
    "lib/pinning/court.ts",
    "lib/pinning/exchange.ts",
  );
  equal(loaded.includes("lib/pki/verify/verify_chain.ts"), true);
  deepEqual(loaded.filter((specifier) => /^npm:|lib\/pki\/(issue|sign|key|mod)\.ts$/.test(specifier)), []);
});
