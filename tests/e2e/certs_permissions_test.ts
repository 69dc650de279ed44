/**
 * Story: the commands that reach other machines work with exactly what scripts/permissions grants them.
 */
import { equal } from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { assertExact } from "../support/permissions.ts";
import { helyos, temporaryFolder } from "../support/process.ts";
import { lackingSshd, startSshd } from "../support/sshd.ts";
import { findTool } from "../support/tools.ts";

/** A CA with two services, one here and one over ssh, and what serves the pair of the one here. */
async function makeScene() {
  const folder = await temporaryFolder();
  const sshd = await startSshd();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  server.on("tlsClientError", () => {}); // Who looks at a certificate hangs up.
  /** The registry of a home: everything is deployed below it. */
  const registry = (home: string) => {
    const path = join(home, "srv");
    const mini1 = { ip: "127.0.0.1", ssh_user: sshd.user, ssh_port: sshd.port, path };
    const common = { port: 80, certs: { reload: ["true"], probe: `127.0.0.1:${port}` } };
    return JSON.stringify({
      hosts: { mini1, local: { path, ip: "127.0.0.1" } },
      caddy: { ingress_host: "local", caddyfile: join(home, "Caddyfile"), reload: ["true"] },
      services: {
        api: { ...common, current_host: "local", docker_compose: "/api/compose.yml" },
        web: { current_host: "mini1", docker_compose: "/web/compose.yml" },
      },
    });
  };
  const certs = async (...args: string[]) => {
    const { code, stderr } = await helyos(["certs", ...args], { home: folder.path });
    equal(code, 0, stderr);
  };
  await writeFile(join(folder.path, "passphrase"), "correct horse\n");
  await writeFile(join(folder.path, "registry.yml"), registry(folder.path));
  await certs("init-ca", "--passphrase-file", "passphrase");
  await certs("generate-server", "api", "--passphrase-file", "passphrase");
  await certs("generate", "web", "--passphrase-file", "passphrase");
  const pair = join(folder.path, ".helyos/pki/certs/api");
  const [cert, key] = await Promise.all(["cert", "key"].map((half) => readFile(join(pair, `server-${half}.pem`))));
  server.setSecureContext({ cert: cert!, key: key! });
  return {
    env: { HELYOS_SSH_CONFIG: sshd.clientConfig },
    async prepare(home: string) {
      await cp(join(folder.path, ".helyos"), join(home, ".helyos"), { recursive: true });
      await writeFile(join(home, "passphrase"), "correct horse\n");
      await writeFile(join(home, "registry.yml"), registry(home));
      await writeFile(join(home, "Caddyfile"), `import ${join(home, "helyos-services.caddy")}\n`);
    },
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      await sshd[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "helyos certs deploy-all and caddy-sync work with exactly their permissions and fail with one fewer",
  ignore: lackingSshd(),
  async fn() {
    await using scene = await makeScene();
    const { env, prepare } = scene;
    await assertExact("cli", [
      { args: ["certs", "deploy-all", "--reload"], env: { ...env, HOME: "", USERPROFILE: "~" }, prepare },
      { args: ["certs", "caddy-sync"], env, prepare },
    ]);
  },
});

Deno.test({
  name: "helyos certs uninstall-ca works with exactly its permissions and fails with one fewer",
  ignore: lackingSshd() || findTool("update-ca-certificates") === undefined,
  async fn() {
    await using scene = await makeScene();
    const { env, prepare } = scene;
    // Of a CA that nobody trusts: what it needs is what install-ca needs, and nothing is changed.
    const args = ["certs", "uninstall-ca", "mini1", "local"];
    await assertExact("cli", [{ args, env: { ...env, HOME: "", USERPROFILE: "~" }, prepare }]);
  },
});

Deno.test({
  name: "helyos certs agent works with exactly its permissions and fails with one fewer",
  ignore: lackingSshd(),
  async fn() {
    await using scene = await makeScene();
    const { env, prepare } = scene;
    const args = ["certs", "agent", "--once", "--passphrase-file", "~/passphrase"];
    await assertExact("cli", [{
      args,
      env: { ...env, HOME: "", USERPROFILE: "~" },
      async prepare(home) {
        await prepare(home);
        await rm(join(home, ".helyos/pki/certs/web/client-key.pem")); // Of no use as it is: due.
      },
    }]);
  },
});
