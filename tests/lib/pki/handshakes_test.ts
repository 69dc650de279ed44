import { equal, match, rejects } from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { KeyAlgorithm, ProfileName } from "@helyos/pki";
import { temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";
import { ALGORITHMS, authority, identity, LEAVES } from "./support/material.ts";
import { CLIENTS, type Files, goTls, SERVERS } from "./support/speakers.ts";

const execute = promisify(execFile);

/** A folder with a root, a CA below it and a leaf, all of one kind of key. */
async function files(algorithm: KeyAlgorithm, profile: ProfileName): Promise<Files & AsyncDisposable> {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  const ca = await authority(algorithm, { dns: ["internal", "localhost"], ip: ["127.0.0.0/8", "::1"] });
  const leaf = await identity(ca, profile, { algorithm });
  await Promise.all([
    writeFile(at("ca.pem"), ca.root.pem),
    writeFile(at("chain.pem"), leaf.chain),
    writeFile(at("key.pem"), leaf.key),
  ]);
  const paths = { folder: folder.path, ca: at("ca.pem"), chain: at("chain.pem"), key: at("key.pem") };
  return { ...paths, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

for (const server of SERVERS) {
  for (const algorithm of ALGORITHMS) {
    Deno.test({
      name: `${server.name} serves with our ${algorithm} certificates, and every client is let in`,
      ignore: server.missing || CLIENTS.some(({ missing }) => missing),
      async fn() {
        await using own = await files(algorithm, "server");
        await using theirs = await files(algorithm, "client");
        await using listening = await server.serve(own);
        // Two CAs of the same names and keys: the root of one is the root of the other.
        for (const client of CLIENTS) equal(await client.dial(listening.port, theirs), "hello", client.name);
      },
    });
  }

  if (!server.mutual) continue;
  Deno.test({
    name: `${server.name} refuses a certificate of another purpose and one of another CA`,
    ignore: server.missing || lacking("curl"),
    async fn() {
      await using own = await files("ec-p256", "server");
      await using stranger = await files("ed25519", "client");
      await using listening = await server.serve(own);
      const curl = CLIENTS.find(({ name }) => name === "curl")!;
      await rejects(() => curl.dial(listening.port, own));
      // The stranger trusts the server, the server does not trust the stranger.
      await rejects(() => curl.dial(listening.port, { ...stranger, ca: own.ca }));
    },
  });
}

for (const client of CLIENTS) {
  Deno.test({
    name: `${client.name} refuses a server with a certificate of another purpose and one of another CA`,
    ignore: client.missing,
    async fn() {
      await using own = await files("ec-p256", "client");
      await using stranger = await files("ed25519", "server");
      const plain = SERVERS.find(({ mutual }) => !mutual)!;
      await using wrongPurpose = await plain.serve(own);
      await rejects(() => client.dial(wrongPurpose.port, own));
      await using wrongAuthority = await plain.serve(stranger);
      await rejects(() => client.dial(wrongAuthority.port, own));
    },
  });
}

Deno.test({
  name: "Go's crypto/x509 verifies every chain for every purpose, and refuses other names",
  ignore: lacking("go"),
  async fn() {
    const program = await goTls();
    for (const algorithm of ALGORITHMS) {
      for (const profile of LEAVES) {
        await using chain = await files(algorithm, profile);
        for (const name of ["db.internal", "xn--bcher-kva.internal", "127.0.0.1", "[::1]"]) {
          match((await execute(program, ["verify", chain.ca, chain.chain, name])).stdout, /ok/);
        }
        await rejects(() => execute(program, ["verify", chain.ca, chain.chain, "web.internal"]), /not web.internal/);
      }
    }
  },
});
