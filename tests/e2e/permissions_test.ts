/**
 * Story: each program works with exactly what scripts/permissions grants, and fails with one thing fewer.
 */
import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { copyFile, cp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { assertExact, granted } from "../support/permissions.ts";
import { helyos, ROOT, run, startDaemon, temporaryFolder } from "../support/process.ts";

Deno.test("launch.sh grants the CLI its folder and the files named, and nothing wide", async () => {
  await using home = await temporaryFolder();
  const { flags } = await granted("cli", ["login", "h", "--ca-file", "a b.pem", "--token-file=t"], home.path);
  equal(flags.includes("--no-prompt"), true);
  for (const flag of flags) notEqual(flag, "-A");
  const reads = flags.find((flag) => flag.startsWith("--allow-read"))!;
  match(reads, /(^|[,=])a b\.pem($|,)/);
  match(reads, /(^|[,=])t($|,)/);
  equal(flags.find((flag) => flag.startsWith("--allow-write")), `--allow-write=${home.path}/.helyos`);
  equal(flags.some((flag) => /^--allow-(run|ffi|import|all)/.test(flag)), false);
});

Deno.test("launch.sh grants a file named by HELYOS_CONFIG and its companions, not its folder", async () => {
  await using home = await temporaryFolder();
  const config = join(home.path, "elsewhere.toml");
  const { flags } = await granted("cli", ["whoami"], home.path, { HELYOS_CONFIG: config });
  const writes = flags.find((flag) => flag.startsWith("--allow-write="))!.slice("--allow-write=".length).split(",");
  equal(writes.includes(config), true);
  equal(writes.includes(home.path), false);
});

Deno.test("launch.sh lets --data-dir beat HELYOS_DATA_DIR", async () => {
  await using home = await temporaryFolder();
  for (const args of [["--data-dir", "/a"], ["--data-dir=/a"], ["--tls", "on", "--data-dir", "/a"]]) {
    const { flags } = await granted("daemon", args, home.path, { HELYOS_DATA_DIR: "/b" });
    const writes = flags.find((flag) => flag.startsWith("--allow-write"))!;
    match(writes, /\/a/);
    equal(writes.includes("/b"), false);
  }
});

Deno.test("launch.sh says so when a path cannot be granted, for the comma in it", async () => {
  await using home = await temporaryFolder();
  for (const args of [["cli", "login", "h", "--ca-file=a,b.pem"], ["daemon", "--data-dir", "a,b"]]) {
    const { code, stdout, stderr } = await run("sh", [join(ROOT, "scripts/launch.sh"), ...args], { home: home.path });
    deepEqual([code, stdout], [1, ""]);
    match(stderr, /^cannot start: Deno cannot be permitted a path with a comma in it: a,b(\.pem)?\n$/);
  }
});

Deno.test("launch.sh lets the runtime ask nobody for a newer version", async () => {
  await using home = await temporaryFolder();
  const deno = join(home.path, "deno");
  await writeFile(deno, '#!/bin/sh\necho "asks: ${DENO_NO_UPDATE_CHECK:-yes}"\n', { mode: 0o700 });
  const env = { HELYOS_DENO: deno, DENO_NO_UPDATE_CHECK: "" };
  for (const program of ["cli", "daemon"]) {
    const { stdout } = await run("sh", [join(ROOT, "scripts/launch.sh"), program], { home: home.path, env });
    equal(stdout, "asks: 1\n");
  }
});

Deno.test("launch.sh starts helyos certs as a program of its own, also to help with it and to complete it", async () => {
  await using home = await temporaryFolder();
  for (
    const [args, says] of [
      [["help", "certs", "init-ca"], /^Make the CA, unless there is one\n/],
      [["--json", "help", "certs"], / generate-all-servers /],
      [["certs", "--help"], / generate-all-servers /],
      [["help"], / certs +Give services certificates of an internal CA\n/],
      [["__complete", "=ini", "certs"], /^init-ca\t/],
      [["__complete", "=cer", "--server", "h"], /^cert\tManage .*\ncerts\tGive /],
      [["__complete", "=--ord", "certs", "revoke"], /^$/],
    ] as const
  ) {
    const { code, stdout, stderr } = await helyos(args, { home: home.path });
    equal(code, 0, `${args.join(" ")}: ${stderr}`);
    match(stdout, says, args.join(" "));
  }
});

Deno.test("launch.sh keeps variables of the runtime from deciding where the daemon listens and whom it believes", async () => {
  await using home = await temporaryFolder();
  const env = {
    DENO_SERVE_ADDRESS: "tcp:127.0.0.9:0",
    DENO_TRUST_PROXY_HEADERS: "1",
    NODE_OPTIONS: "--require /nowhere.js",
  };
  await using daemon = await startDaemon({ home: home.path, env });
  const created = await fetch(`${daemon.url}/api/v1/projects`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${daemon.token}`,
      "content-type": "application/json",
      "x-deno-client-address": "203.0.113.9:1",
    },
    body: '{"name":"p"}',
  });
  equal(created.status, 201, await created.text());
  const { code, stdout, stderr } = await helyos(["audit", "--json", "--limit", "1"], { home: home.path, env });
  equal(code, 0, stderr);
  equal(JSON.parse(stdout)[0].address, "127.0.0.1");
});

Deno.test("launch.sh lets the daemon run the proxy that was chosen, and no other program", async () => {
  await using home = await temporaryFolder();
  for (const name of ["traefik", "caddy"]) await writeFile(join(home.path, name), "#!/bin/sh\n", { mode: 0o700 });
  const caddy = join(home.path, "caddy");
  for (
    const [args, expected] of [
      [[], "--allow-run=traefik"],
      [["--proxy-backend", "nginx"], undefined], // it is not there
      [["--proxy-backend=caddy"], "--allow-run=caddy"],
      [["--proxy-backend=caddy", `--proxy-program=${caddy}`], `--allow-run=${caddy}`],
      [["--proxy-backend", "caddy", "--proxy-program", "http://localhost:2019"], undefined],
      [["--proxy-backend", "embedded"], undefined],
      [["--proxy-backend", "sh"], undefined],
    ] as const
  ) {
    const { stdout } = await run("/bin/sh", [join(ROOT, "scripts/launch.sh"), "--print", "daemon", ...args], {
      home: home.path,
      env: { PATH: home.path },
    });
    equal(stdout.split("\n").find((flag) => flag.startsWith("--allow-run")), expected);
  }
});

Deno.test("helyosd works with exactly its permissions and fails with one fewer", async () => {
  await using first = await temporaryFolder();
  await using daemon = await startDaemon({ home: first.path, flags: ["--tls", "on"] }); // makes a pair to supply
  await daemon.stop();
  const data = join(first.path, ".helyos/data");
  const supply = async (home: string) => {
    await copyFile(join(data, "http-server.pem"), join(home, "api.pem"));
    await copyFile(join(data, "http-server-key.pem"), join(home, "api.key"));
    await writeFile(join(home, "proxy"), "#!/bin/sh\necho nginx version: nginx/1.28.0\n", { mode: 0o700 });
  };
  await assertExact("daemon", [
    {
      args: ["--port", "0", "--tls", "on", "--tls-cert", "~/api.pem", "--tls-key", "~/api.key"].concat(
        ["--proxy-backend", "nginx", "--proxy-program", "~/proxy"],
      ),
      prepare: supply,
    },
  ]);
});

Deno.test("helyos works with exactly its permissions and fails with one fewer", async () => {
  await using host = await temporaryFolder();
  await using daemon = await startDaemon({ home: host.path, flags: ["--tls", "on"] });
  const ca = join(host.path, ".helyos/data/http-ca.pem");
  const server = daemon.url.replace("127.0.0.1", "localhost");
  const login = ["login", server, "--ca-file", "~/ca.pem", "--token-file", "~/token"];
  const prepare = async (home: string) => {
    await copyFile(ca, join(home, "ca.pem"));
    await writeFile(join(home, "token"), daemon.token!, { mode: 0o600 });
  };
  const loggedIn = async (home: string) => {
    await prepare(home);
    for (const name of ["a", "b"]) {
      const args = [...login.map((word) => word.replaceAll("~", home)), "--name", name];
      equal((await helyos(args, { home, env: { HELYOS_CONFIG: join(home, "config.toml") } })).code, 0);
    }
  };
  await assertExact("cli", [
    { args: login, prepare },
    { args: ["context", "use", "b"], env: { HELYOS_CONFIG: "~/config.toml" }, prepare: loggedIn },
    { args: ["context", "use", "-"], env: { HELYOS_CONFIG: "~/config.toml" }, prepare: loggedIn },
    { args: ["status"], env: { HELYOS_CONFIG: "~/config.toml" }, prepare: loggedIn },
    { args: login, env: { HOME: "", USERPROFILE: "~" }, prepare },
    // A context without a pin trusts the system's roots, which Deno reads with all of --allow-sys alone.
    {
      args: ["whoami", "--server", server, "--token", daemon.token!],
      env: { HOME: "~", SSL_CERT_FILE: "~/ca.pem" },
      prepare,
    },
  ]);
});

Deno.test("helyos certs works with exactly its permissions, which are none of the contexts', and fails with one fewer", async () => {
  await using host = await temporaryFolder();
  const lay = async (home: string) => {
    await writeFile(join(home, "registry.yml"), "services: {api: {docker_compose: /api/compose.yml}}\n");
    await writeFile(join(home, "passphrase"), "correct horse\n");
  };
  await lay(host.path);
  for (const words of [["init-ca"], ["generate-server", "api"]]) {
    equal((await helyos(["certs", ...words], { home: host.path })).code, 0);
  }
  const prepare = async (home: string) => {
    await lay(home);
    await copyFile(join(host.path, "csr"), join(home, "csr"));
    await cp(join(host.path, ".helyos"), join(home, ".helyos"), { recursive: true });
  };
  const pair = join(host.path, ".helyos/pki/certs/api");
  const request = [
    "req",
    "-new",
    "-key",
    join(pair, "server-key.pem"),
    "-subj",
    "/CN=x",
    "-out",
    join(host.path, "csr"),
  ];
  equal((await run("openssl", request, { home: host.path })).code, 0);
  const [cert, key] = await Promise.all(["cert", "key"].map((half) => readFile(join(pair, `server-${half}.pem`))));
  const server = createServer({ cert: cert!, key: key! });
  server.on("tlsClientError", () => {}); // Who looks at a certificate hangs up.
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const { flags } = await granted("cli", ["certs", "list"], host.path);
    equal(
      flags.some((flag) => /^--allow-(net|run|sys|ffi|all)|config\.toml|HELYOS_(CONFIG|API_TOKEN)/.test(flag)),
      false,
    );
    await assertExact("cli", [
      { args: ["certs", "init-ca", "--passphrase-file", "~/passphrase"], prepare: lay },
      { args: ["certs", "init-ca"], env: { HOME: "", USERPROFILE: "~" } },
      { args: ["certs", "generate", "api"], prepare },
      { args: ["certs", "update-registry"], prepare },
      { args: ["certs", "sign", "~/csr", "--out", "~/out.pem"], prepare },
      { args: ["certs", "inspect", `127.0.0.1:${port}`], prepare: lay },
    ]);
  } finally {
    server.close();
  }
});
