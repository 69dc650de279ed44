/**
 * The project's own lint rules: the arrows of `ARCHITECTURE.md`, and one door per third-party package.
 */

/** Folders that may import a package; every other import of it goes through them. Tests and benchmarks may import all. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  "@logtape/logtape": ["daemon/"],
  "argon2-wasm": ["daemon/tokens/"],
  "hash-wasm": ["daemon/tokens/"],
  "ws": ["lib/tls/", "daemon/proxy/"],
  "yaml": ["cli/"],
  "zod": ["lib/api/"],
};

/** Parts of the daemon that features stand on: they know no feature. */
const PORTS = ["store", "server", "secrets"];

/** The only files that may leave their feature's folder into another feature: what it stores, and what it offers. */
const SHARED_FILES = ["records.ts"];

type Part = { readonly root: string; readonly folder: string; readonly file: string };

function partOf(path: string): Part {
  const [root = "", folder = "", ...rest] = path.split("/");
  return { root, folder, file: rest.join("/") };
}

/** Why `from` may not import `to` (both relative to the checkout), or undefined when it may. */
export function forbiddenArrow(from: string, to: string): string | undefined {
  const [a, b] = [partOf(from), partOf(to)];
  if (a.root === "lib") {
    if (b.root !== "lib") return "a library knows nothing of the rest of the project";
    if (a.folder !== b.folder) return `import "@helyos/${b.folder}" by its name`;
  }
  if (a.root === "daemon" && b.root === "cli") return "the daemon never imports the CLI";
  if (a.root === "cli" && b.root === "daemon") return "the CLI never imports the daemon";
  if (a.root === "daemon" && b.root === "daemon" && a.file !== "" && b.file !== "" && a.folder !== b.folder) {
    if (PORTS.includes(b.folder) || SHARED_FILES.includes(b.file)) return undefined;
    if (PORTS.includes(a.folder)) return `${a.folder} is a port: it knows no feature`;
  }
  if ((a.root === "daemon" || a.root === "cli") && b.root === "lib") return `import "@helyos/${b.folder}" by its name`;
  if (["lib", "daemon", "cli"].includes(a.root) && ["tests", "bench", "scripts"].includes(b.root)) {
    return "the product does not import its tests, benchmarks or scripts";
  }
  return undefined;
}

/** Why `from` may not import the package `name`, or undefined when it may. */
export function forbiddenPackage(from: string, name: string): string | undefined {
  if (!/^(lib|daemon|cli)\//.test(from)) return undefined;
  if (name.startsWith("jsr:") || name.startsWith("https:")) return "imports are npm:, node: or our own";
  const bare = name.replace(/^npm:\/?/, "").replace(/^((?:@[^/@]+\/)?[^/@]+).*$/, "$1");
  if (name.startsWith("npm:")) return `import "${bare}" through the import map of the root deno.json`;
  const doors = DOORS[bare];
  if (!doors || doors.some((door) => from.startsWith(door))) return undefined;
  return `${bare} has one door: ${doors.join(", ")}`;
}

/** Resolves a relative import against the importing file. */
function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

const root = decodeURIComponent(new URL("..", import.meta.url).pathname);

const plugin: Deno.lint.Plugin = {
  name: "helyos",
  rules: {
    "arrows": {
      create(context) {
        const from = context.filename.replaceAll("\\", "/").replace(root, "");
        function judge(node: Deno.lint.Node, specifier: unknown): void {
          if (typeof specifier !== "string") return;
          const message = /^\.{1,2}\//.test(specifier)
            ? forbiddenArrow(from, resolve(from, specifier))
            : forbiddenPackage(from, specifier);
          if (message) context.report({ node, message: `Cannot import "${specifier}": ${message}` });
        }
        return {
          ImportDeclaration: (node) => judge(node, node.source.value),
          ExportAllDeclaration: (node) => judge(node, node.source.value),
          ExportNamedDeclaration: (node) => judge(node, node.source?.value),
          ImportExpression: (node) => node.source.type === "Literal" && judge(node, node.source.value),
        };
      },
    },
    "no-console": {
      create(context) {
        const from = context.filename.replaceAll("\\", "/").replace(root, "");
        if (!/^(lib|daemon|cli)\//.test(from)) return {};
        return {
          MemberExpression(node) {
            if (node.object.type !== "Identifier" || node.object.name !== "console") return;
            context.report({ node, message: "Write through the one scrubbing writer, not the console" });
          },
        };
      },
    },
    "explained-catch": {
      create(context) {
        return {
          CatchClause(node) {
            if (node.body.body.length > 0) return;
            if (context.sourceCode.getCommentsInside(node.body).length > 0) return;
            context.report({ node, message: "Say in a comment why this failure may be ignored" });
          },
        };
      },
    },
  },
};
export default plugin;
