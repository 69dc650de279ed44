/**
 * Programs that speak TLS, each as a server that asks for certificates and as a client that shows one.
 *
 * @module
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, request } from "node:https";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../../../support/free_port.ts";
import { lacking, tool } from "../../../support/tools.ts";

const execute = promisify(execFile);

/** Files of PEM: the root, a chain and its key. */
export interface Files {
  /** A folder to work in. */
  readonly folder: string;
  /** The root that others are trusted by. */
  readonly ca: string;
  /** The chain that is shown. */
  readonly chain: string;
  /** The key of the chain. */
  readonly key: string;
  /** The revocation lists of all CAs, where they are to be looked at. */
  readonly lists?: string;
}

/** A server that listens on the loopback. */
export interface Listening extends AsyncDisposable {
  /** Its port. */
  readonly port: number;
}

/** Something that serves TLS and answers "hello". */
export interface Server {
  /** What it is called. */
  readonly name: string;
  /** Whether it is not installed here. */
  readonly missing: boolean;
  /** Whether it asks for certificates. */
  readonly mutual: boolean;
  /** Whether it looks at revocation lists. */
  readonly revokes?: boolean;
  /** Starts it. */
  serve(files: Files): Promise<Listening>;
}

/** Something that asks a server. */
export interface Client {
  /** What it is called. */
  readonly name: string;
  /** Whether it is not installed here. */
  readonly missing: boolean;
  /** Whether it looks at revocation lists. */
  readonly revokes?: boolean;
  /** Asks the server at a port of the loopback, as `localhost`; rejects when it is refused or refuses. */
  dial(port: number, files: Files): Promise<string>;
}

const PEERS = join(Deno.env.get("HELYOS_PEERS") ?? join(Deno.env.get("HOME") ?? "", ".cache/helyos/peers"), "own");
const source = (name: string) => fileURLToPath(new URL(`../../../peers/${name}`, import.meta.url));

let goProgram: Promise<string> | undefined;
let rustProgram: Promise<string> | undefined;

/** Builds the program of tests/peers/go_tls; seconds at first, nothing later. */
export function goTls(): Promise<string> {
  return goProgram ??= (async () => {
    const program = join(PEERS, "go_tls");
    const env = { ...Deno.env.toObject(), CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "-mod=readonly -buildvcs=false" };
    await mkdir(PEERS, { recursive: true });
    await execute(tool("go"), ["-C", source("go_tls"), "build", "-o", program, "."], { env });
    return program;
  })();
}

/** Builds the program of tests/peers/rustls; half a minute at first, nothing later. */
function rustls(): Promise<string> {
  return rustProgram ??= (async () => {
    const target = join(PEERS, "rustls");
    const args = ["build", "--quiet", "--locked", "--release", "--target-dir", target];
    const cargo = tool("cargo");
    // A cargo of rustup finds toolchain and settings by HOME; they lie beside it, whatever HOME is now.
    const home = dirname(dirname(dirname(cargo)));
    const beside = existsSync(join(home, ".rustup"))
      ? { RUSTUP_HOME: join(home, ".rustup"), CARGO_HOME: join(home, ".cargo") }
      : {};
    await execute(cargo, args, { cwd: source("rustls"), env: { ...beside, ...Deno.env.toObject() } });
    return join(target, "release/rustls-judge");
  })();
}

/** Whether rustls must be done without: no cargo, or one that reaches no registry. With `CI` set that is a failure. */
const rustlsMissing = lacking("cargo") ||
  (!Deno.env.get("CI") && !(await rustls().then(() => true, () => false)));

/** Waits until a child says it serves, or says why not. */
async function started(child: ChildProcess, port: number | undefined, sign: RegExp): Promise<Listening> {
  const said: string[] = [];
  const close = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  const found = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        said.push(line);
        const match = sign.exec(line);
        if (match) resolve(match[1] ?? "");
      });
    }
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`It ended before it served: ${said.join("\n")}`)));
  });
  return { port: port ?? Number(found), [Symbol.asyncDispose]: close };
}

function start(program: string, args: readonly string[], options: { port?: number; sign?: RegExp } = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  return started(child, options.port, options.sign ?? /^(\d+)$/);
}

/** Waits until somebody listens. */
async function listening(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const read = (file: string) => Deno.readTextFile(file);

const optional = (file: string | undefined) => file === undefined ? [] : [file];

/** For scripts of Node, which reads one list of a text alone. */
const LISTS = `function lists(text) { return String(text).match(/-----BEGIN[^]*?-----END X509 CRL-----/g); }`;

/** What serves. */
export const SERVERS: readonly Server[] = [
  {
    name: "Deno.serve",
    missing: false,
    mutual: false,
    async serve({ chain, key }) {
      const options = { hostname: "127.0.0.1", port: 0, cert: await read(chain), key: await read(key), onListen() {} };
      const server = Deno.serve(options, () => new Response("hello"));
      return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
    },
  },
  {
    name: "node:https in Deno",
    missing: false,
    mutual: true,
    async serve({ ca, chain, key }) {
      const options = { ca: await read(ca), cert: await read(chain), key: await read(key), requestCert: true };
      const server = createServer({ ...options, rejectUnauthorized: true }, (_, response) => response.end("hello"));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return {
        port: (server.address() as { port: number }).port,
        async [Symbol.asyncDispose]() {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        },
      };
    },
  },
  {
    name: "Node",
    missing: lacking("node"),
    mutual: true,
    revokes: true,
    serve({ ca, chain, key, lists }) {
      const script = `const [ca, cert, key, ...crl] = process.argv.slice(1).map((f) => require("fs").readFileSync(f));
        const options = { ca, cert, key, requestCert: true, ...(crl.length > 0 ? { crl: lists(crl[0]) } : {}) };
        const server = require("https").createServer(options, (_, r) => r.end("hello"));
        server.listen(0, "127.0.0.1", () => console.log(server.address().port));${LISTS}`;
      return start(tool("node"), ["-e", script, ca, chain, key, ...optional(lists)]);
    },
  },
  {
    name: "Go",
    missing: lacking("go"),
    mutual: true,
    serve: async ({ ca, chain, key }) => await start(await goTls(), ["serve", ca, chain, key]),
  },
  {
    name: "rustls",
    missing: rustlsMissing,
    mutual: true,
    revokes: true,
    serve: async ({ ca, chain, key, lists }) =>
      await start(await rustls(), ["serve", ca, chain, key, ...optional(lists)]),
  },
  {
    name: "nginx",
    missing: lacking("nginx"),
    mutual: true,
    revokes: true,
    async serve({ folder, ca, chain, key, lists }) {
      const port = await freePort();
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
      await writeFile(
        join(folder, "nginx.conf"),
        `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr notice; events {}
        http { access_log off; ${temporary} server { listen 127.0.0.1:${port} ssl; ssl_certificate ${chain};
          ssl_certificate_key ${key}; ssl_client_certificate ${ca}; ssl_verify_client on; ssl_verify_depth 3;
          ${lists === undefined ? "" : `ssl_crl ${lists};`}
          location / { return 200 hello; } } }`,
      );
      // "using the … event method" is a notice of its start; the socket listens by then.
      return await start(tool("nginx"), ["-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")], {
        port,
        sign: /start worker|event method/,
      });
    },
  },
  {
    name: "Caddy",
    missing: lacking("caddy"),
    mutual: true,
    async serve({ folder, ca, chain, key }) {
      const port = await freePort();
      await writeFile(
        join(folder, "Caddyfile"),
        `{\n admin off\n auto_https off\n skip_install_trust\n persist_config off\n storage file_system ${folder}/caddy\n}
        https://localhost:${port} {\n bind 127.0.0.1\n tls ${chain} ${key} {
          client_auth {\n mode require_and_verify\n trust_pool file ${ca}\n }\n }\n respond hello\n}\n`,
      );
      const server = await start(tool("caddy"), [
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        join(folder, "Caddyfile"),
      ], {
        port,
        sign: /serving initial configuration/,
      });
      await listening(port);
      return server;
    },
  },
];

/** What asks. */
export const CLIENTS: readonly Client[] = [
  {
    name: "fetch in Deno",
    missing: false,
    async dial(port, { ca, chain, key }) {
      using client = Deno.createHttpClient({
        caCerts: [await read(ca)],
        cert: await read(chain),
        key: await read(key),
      });
      return await (await fetch(`https://localhost:${port}/`, { client })).text();
    },
  },
  {
    name: "node:https in Deno",
    missing: false,
    async dial(port, { ca, chain, key }) {
      const tls = { ca: [await read(ca)], cert: await read(chain), key: await read(key), servername: "localhost" };
      const options = {
        host: "127.0.0.1",
        port,
        headers: { host: `localhost:${port}` },
        rejectUnauthorized: true,
        ...tls,
      };
      return await new Promise<string>((resolve, reject) => {
        const asked = request({ ...options, agent: false }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk) => text += chunk).on("end", () => resolve(text)).on(
            "error",
            reject,
          );
        });
        asked.on("error", reject).end();
      });
    },
  },
  {
    name: "Node",
    missing: lacking("node"),
    revokes: true,
    async dial(port, { ca, chain, key, lists }) {
      const script = `const [port, ...files] = process.argv.slice(1);
        const [ca, cert, key, ...crl] = files.map((f) => require("fs").readFileSync(f));
        require("https").get({ host: "127.0.0.1", port, servername: "localhost", ca, cert, key,
          ...(crl.length > 0 ? { crl: lists(crl[0]) } : {}), headers: { host: "localhost:" + port }, agent: false },
          (r) => r.pipe(process.stdout)).on("error", (e) => { console.error(e); process.exitCode = 1; });${LISTS}`;
      const args = ["-e", script, String(port), ca, chain, key, ...optional(lists)];
      return (await execute(tool("node"), args)).stdout;
    },
  },
  {
    name: "Go",
    missing: lacking("go"),
    dial: async (port, { ca, chain, key }) =>
      (await execute(await goTls(), ["dial", String(port), "localhost", ca, chain, key])).stdout,
  },
  {
    name: "rustls",
    missing: rustlsMissing,
    revokes: true,
    dial: async (port, { ca, chain, key, lists }) =>
      (await execute(await rustls(), ["dial", String(port), "localhost", ca, chain, key, ...optional(lists)])).stdout,
  },
  {
    name: "curl",
    missing: lacking("curl"),
    revokes: true,
    async dial(port, { ca, chain, key, lists }) {
      const url = `https://localhost:${port}/`;
      const args = ["-sSf", "--max-time", "10", "--resolve", `localhost:${port}:127.0.0.1`];
      if (lists !== undefined) args.push("--crlfile", lists);
      return (await execute(tool("curl"), [...args, "--cacert", ca, "--cert", chain, "--key", key, url])).stdout;
    },
  },
];
