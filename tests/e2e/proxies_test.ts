/**
 * Story: the same routes and certificates through Traefik, Caddy and nginx, each the real program, started by the daemon with exactly its
 * permissions.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { freePort } from "../support/free_port.ts";
import { type Pebble, startPebble } from "../support/pebble.ts";
import { helyos, type Outcome, run, type RunningDaemon, startDaemon, temporaryFolder } from "../support/process.ts";
import { findTool, lacking } from "../support/tools.ts";
import { startUpstream } from "../support/upstream.ts";

type Backend = "traefik" | "caddy" | "nginx" | "embedded";

interface Site extends AsyncDisposable {
  readonly daemon: RunningDaemon;
  readonly home: string;
  /** Stops the daemon and starts another on what it stored. */
  restart(backend: Backend, signal?: Deno.Signal): Promise<void>;
  helyos(...args: string[]): Promise<Outcome>;
  /** Asks for a URL as a browser would that finds the proxy at the usual ports. */
  curl(url: string, ...args: string[]): Promise<Outcome>;
}

async function startSite(first: Backend, pebble: Pebble): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await temporaryFolder()).path;
  await Deno.writeTextFile(join(home, "acme-ca.pem"), pebble.ca);
  await Deno.writeTextFile(join(home, "root.pem"), await pebble.root());
  const httpsPort = await freePort();
  const port = await freePort();
  const start = (backend: Backend) =>
    startDaemon({
      home,
      flags: [
        ...["--port", String(port), "--proxy-backend", backend],
        ...(backend === "embedded" ? [] : ["--proxy-program", findTool(backend)!]),
        ...["--acme-email", "ops@example.com", "--acme-directory", pebble.directoryUrl],
        ...["--acme-ca-file", join(home, "acme-ca.pem")],
        ...["--http-listen", `127.0.0.1:${pebble.httpPort}`, "--https-listen", `127.0.0.1:${httpsPort}`],
      ],
    });
  let daemon = await start(first);
  stack.defer(async () => {
    // Politely, so that its proxy ends with it
    await daemon.stop();
  });
  const owned = stack.move();
  return {
    get daemon() {
      return daemon;
    },
    home,
    async restart(backend, signal) {
      await daemon.stop(signal);
      daemon = await start(backend);
    },
    helyos: (...args) => helyos(args, { home }),
    curl(url, ...args) {
      const { hostname, protocol } = new URL(url);
      const [there, usual] = protocol === "https:" ? [httpsPort, 443] : [pebble.httpPort, 80];
      const at = ["--connect-to", `${hostname}:${usual}:127.0.0.1:${there}`];
      return run("curl", ["-sS", "--cacert", join(home, "root.pem"), ...at, "-w", " %{http_code}", ...args, url], {
        home,
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function until(what: string, { daemon }: Site, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!await look()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}:\n${daemon.log()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Files of the data directory in which a key stands in the clear, the API's own excepted. */
async function keyFiles(home: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(home, ".helyos/data"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "http-server-key.pem") continue;
    const path = join(entry.parentPath, entry.name);
    if (!(await readFile(path, "latin1")).includes("PRIVATE KEY")) continue;
    equal((await stat(path)).mode & 0o777, 0o600, path);
    found.push(path);
  }
  return found;
}

async function add(site: Site, domain: string, ...more: string[]): Promise<void> {
  const added = await site.helyos("route", "add", domain, "-p", "shop", "--deployment", "api", ...more);
  equal(added.code, 0, added.stderr);
}

async function statuses(site: Site): Promise<Record<string, string>> {
  const routes = JSON.parse((await site.helyos("routes", "-p", "shop", "--json")).stdout) as {
    domain: string;
    status: string;
  }[];
  return Object.fromEntries(routes.map(({ domain, status }) => [domain, status]));
}

for (const backend of ["traefik", "caddy", "nginx"] as const) {
  Deno.test({
    name:
      `${backend} serves what the CA issued and what was imported, before and after its daemon is stopped or killed`,
    ignore: lacking(backend, "pebble", "pebble-challtestsrv"),
    async fn() {
      await using pebble = await startPebble();
      await using upstream = await startUpstream();
      await using site = await startSite(backend, pebble);
      await add(site, "api.example.com", "--https", "--upstream", upstream.address);
      await add(site, "plain.example.com", "--upstream", upstream.address);
      await add(site, "empty.example.com");
      await until("HTTPS", site, async () => (await site.curl("https://api.example.com/")).code === 0);
      const first = await site.curl("https://api.example.com/");
      equal(first.stdout, "api.example.com https 200", first.stderr + site.daemon.log());
      match((await site.curl("http://api.example.com/a?b", "-o", "-")).stdout, / 30[18]$/);
      equal((await site.curl("http://plain.example.com/")).stdout, "plain.example.com http 200");
      // Added last: a busy nginx may still be on its way to it
      await until("503", site, async () => (await site.curl("http://empty.example.com/")).stdout.endsWith(" 503"));
      await until(
        "the look at the leaf",
        site,
        async () => (await site.helyos("cert", "ls")).stdout.includes("● served"),
      );

      const key = await generateKeyPair();
      const root = await createRootCa({ commonName: "Imported CA", key });
      const leafKey = await generateKeyPair();
      const { pem } = await issueCertificate({
        issuer: { certificate: root.pem, key },
        profile: "server",
        publicKey: leafKey.publicKey,
        commonName: "own.example.com",
        names: { dns: ["own.example.com"] },
      });
      await Deno.writeTextFile(join(site.home, "own.pem"), pem);
      await Deno.writeTextFile(join(site.home, "own.key"), await exportPrivateKey(leafKey));
      const files = ["--cert", join(site.home, "own.pem"), "--key", join(site.home, "own.key")];
      await add(site, "own.example.com", "--upstream", upstream.address);
      const imported = await site.helyos("cert", "import", "own.example.com", ...files);
      equal(imported.code, 0, imported.stderr);
      await until("the imported certificate", site, async () => {
        const { stdout } = await site.curl("https://own.example.com/", "-k", "-w", "%{certs}", "-o", "/dev/null");
        const seen = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout)?.[0];
        return seen !== undefined && new X509Certificate(seen).fingerprint === new X509Certificate(pem).fingerprint;
      });

      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        await site.restart(backend, signal);
        await until(
          `HTTPS after ${signal}`,
          site,
          async () => (await site.curl("https://api.example.com/")).code === 0,
        );
        await until("every route", site, async () => {
          const seen = await statuses(site);
          return seen["api.example.com"] === "served" && seen["own.example.com"] === "served" &&
            seen["empty.example.com"] === "no_upstream";
        });
      }

      equal((await site.helyos("route", "rm", "plain.example.com")).code, 0);
      await until(
        "the route's end",
        site,
        async () => (await site.curl("http://plain.example.com/")).stdout.endsWith(" 404"),
      );
      equal((await site.curl("https://api.example.com/")).code, 0);
    },
  });
}

Deno.test({
  name: "another --proxy-backend serves the same routes with the same certificates",
  ignore: lacking("traefik", "caddy", "nginx", "pebble", "pebble-challtestsrv"),
  async fn() {
    await using pebble = await startPebble();
    await using upstream = await startUpstream();
    await using site = await startSite("embedded", pebble);
    await add(site, "api.example.com", "--https", "--upstream", upstream.address);
    await until("HTTPS", site, async () => (await site.curl("https://api.example.com/")).code === 0);
    const serial = async () => JSON.parse((await site.helyos("cert", "ls", "--json")).stdout)[0].serial;
    const issued = await serial();
    for (const backend of ["traefik", "caddy", "nginx", "embedded"] as const) {
      await site.restart(backend);
      await until(backend, site, async () => (await site.curl("https://api.example.com/")).code === 0);
      await until(`${backend} seen`, site, async () => (await statuses(site))["api.example.com"] === "served");
      equal(await serial(), issued);
      // What needs its keys as files has them while it serves; the embedded proxy leaves none
      deepEqual([backend, (await keyFiles(site.home)).length], [backend, backend === "embedded" ? 0 : 1]);
      const config = await site.helyos("status", "--json");
      equal(config.code, 0, config.stderr);
    }
  },
});

Deno.test("a proxy whose program is not there is replaced by the embedded one, and the log says so", async () => {
  await using home = await temporaryFolder();
  await using daemon = await startDaemon({
    home: home.path,
    flags: ["--proxy-backend", "caddy", "--proxy-program", "/nonexistent/caddy"],
  });
  await daemon.waitForLog(/the embedded proxy serves instead of caddy: .*\/nonexistent\/caddy/);
  equal(await daemon.stop(), 0);
});

Deno.test("the proxy's configuration is read and changed over the wire, and routes are served by whatever was chosen", async () => {
  await using home = await temporaryFolder();
  await using upstream = await startUpstream();
  const http = await freePort();
  const listen = ["--tls", "off", "--http-listen", `127.0.0.1:${http}`, "--https-listen", "127.0.0.1:0"];
  const ask = async (daemon: RunningDaemon, body?: unknown, token = daemon.token ?? first.token ?? "") => {
    const response = await fetch(`${daemon.url}/api/v1/cluster/config/proxy`, {
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    const { state, ...rest } = await response.json();
    return { status: response.status, state, rest };
  };
  const first = await startDaemon({ home: home.path, flags: listen });
  {
    await using daemon = first;
    deepEqual(await ask(daemon), {
      status: 200,
      state: "no routes, nothing bound",
      rest: { backend: "traefik", acme_email: null },
    });
    equal((await ask(daemon, undefined, "nobody")).status, 401);
    equal((await ask(daemon, { backend: "embedded" }, "nobody")).status, 401);
    const { rest: unknown, status } = await ask(daemon, { backend: "haproxy" });
    equal(status, 422);
    match(unknown.error, /backend.*traefik.*caddy.*nginx.*embedded/);
    match((await ask(daemon, { acme_email: "no address" })).rest.error, /not an e-mail address/);
    const chosen = { backend: "embedded", acme_email: "ops@example.com" };
    deepEqual((await ask(daemon, chosen)).rest, { ...chosen, status: "updated" });
    deepEqual((await ask(daemon, {})).rest, { ...chosen, status: "updated" });
    const added = await helyos(
      ["route", "add", "a.test", "-p", "shop", "--deployment", "api", "--upstream", upstream.address],
      { home: home.path },
    );
    equal(added.code, 0, added.stderr);
    await daemon.waitForLog(/proxy embedded: serving on/);
    deepEqual(await ask(daemon), { status: 200, state: `serving on 127.0.0.1:${http}`, rest: chosen });
    const seen = await run("curl", ["-sS", "--connect-to", `a.test:80:127.0.0.1:${http}`, "http://a.test/"], {
      home: home.path,
    });
    equal(seen.stdout, "a.test http");
    equal(await daemon.stop(), 0);
  }
  // What was chosen is remembered; what the command line says cannot be changed over the wire
  await using second = await startDaemon({ home: home.path, flags: [...listen, "--proxy-backend", "embedded"] });
  await second.waitForLog(/proxy embedded: serving on/);
  equal((await ask(second)).rest.acme_email, "ops@example.com");
  const { status, rest } = await ask(second, { backend: "nginx" });
  deepEqual([status, rest.error], [409, "helyosd was started with --proxy-backend embedded; change it there"]);
});
