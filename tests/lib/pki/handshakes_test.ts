import { equal, match, rejects } from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  createCrl,
  createRequest,
  type KeyAlgorithm,
  parseCertificate,
  type ProfileName,
  type Revocation,
  revoke,
} from "@helyos/pki";
import { temporaryFolder } from "../../support/process.ts";
import { lacking } from "../../support/tools.ts";
import { ALGORITHMS, authority, identity, keyFor, LEAVES } from "./support/material.ts";
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

for (const server of SERVERS) {
  Deno.test({
    name: `${server.name} serves with a peer's certificate, and every client is let in with one`,
    ignore: server.missing || CLIENTS.some(({ missing }) => missing),
    async fn() {
      await using own = await files("ec-p256", "peer");
      await using theirs = await files("ed25519", "peer");
      const trust = await readFile(own.ca, "utf8") + await readFile(theirs.ca, "utf8");
      await Promise.all([own, theirs].map(({ ca }) => writeFile(ca, trust)));
      await using listening = await server.serve(own);
      for (const client of CLIENTS) equal(await client.dial(listening.port, theirs), "hello", client.name);
    },
  });
}

/** A CA with a server's and two clients' certificates, one of each revoked, and its lists. */
async function revokedFiles(algorithm: KeyAlgorithm) {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  const ca = await authority(algorithm);
  const nextUpdate = new Date(Date.now() + 86_400_000);
  const issuer = { certificate: ca.intermediate.pem, key: ca.intermediateKey };
  const revoked: Revocation[] = [];
  const identities: Record<string, Files> = {};
  for (const profile of ["server", "client"] as const) {
    for (const state of ["good", "bad"] as const) {
      const leaf = await identity(ca, profile, { algorithm });
      const name = `${profile}-${state}`;
      await Promise.all([writeFile(at(`${name}.pem`), leaf.chain), writeFile(at(`${name}.key`), leaf.key)]);
      const own = { chain: at(`${name}.pem`), key: at(`${name}.key`), ca: at("ca.pem"), lists: at("lists.pem") };
      identities[name] = { folder: folder.path, ...own };
      if (state === "bad") revoked.push(...revoke([], parseCertificate(leaf.certificate), { reason: "keyCompromise" }));
    }
  }
  const root = { certificate: ca.root.pem, key: ca.rootKey };
  const lists = await Promise.all([
    createCrl({ issuer: root, number: 1, revoked: [], nextUpdate }),
    createCrl({ issuer, number: 1, revoked, nextUpdate }),
  ]);
  await writeFile(at("lists.pem"), lists.map(({ pem }) => pem).join(""));
  await writeFile(at("ca.pem"), ca.root.pem);
  await writeFile(at("cas.pem"), ca.root.pem + ca.intermediate.pem);
  const [good, bad] = [identities["server-good"]!, identities["server-bad"]!];
  const [client, revokedClient] = [identities["client-good"]!, identities["client-bad"]!];
  return {
    good,
    bad,
    client,
    revokedClient,
    cas: at("cas.pem"),
    serials: revoked.map(({ serial }) => serial),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const unrevoked = ({ lists: _, ...files }: Files): Files => files;

for (const algorithm of ALGORITHMS) {
  for (const server of SERVERS.filter(({ revokes }) => revokes)) {
    Deno.test({
      name: `${server.name} reads our ${algorithm} revocation lists, and lets in who is not on them`,
      ignore: server.missing || lacking("curl"),
      async fn() {
        await using all = await revokedFiles(algorithm);
        await using listening = await server.serve(all.good);
        const curl = CLIENTS.find(({ name }) => name === "curl")!;
        equal(await curl.dial(listening.port, unrevoked(all.client)), "hello");
        await rejects(() => curl.dial(listening.port, unrevoked(all.revokedClient)));
      },
    });
  }

  Deno.test({
    name: `Clients read our ${algorithm} revocation lists, and go to no server that is on them`,
    ignore: CLIENTS.some(({ missing }) => missing),
    async fn() {
      await using all = await revokedFiles(algorithm);
      const server = SERVERS.find(({ mutual }) => mutual)!;
      await using good = await server.serve(unrevoked(all.good));
      await using bad = await server.serve(unrevoked(all.bad));
      for (const client of CLIENTS.filter(({ revokes }) => revokes)) {
        equal(await client.dial(good.port, all.client), "hello", client.name);
        equal(await client.dial(bad.port, unrevoked(all.client)), "hello", client.name);
        await rejects(() => client.dial(bad.port, all.client), client.name);
      }
    },
  });

  Deno.test({
    name: `Go's crypto/x509 verifies ${algorithm} revocation lists and requests`,
    ignore: lacking("go"),
    async fn() {
      const program = await goTls();
      await using all = await revokedFiles(algorithm);
      const { stdout } = await execute(program, ["lists", all.cas, all.good.lists!]);
      equal(stdout, all.serials.map((serial) => `${serial} 1\n`).join(""));
      const request = await createRequest({
        key: await keyFor("leaf", algorithm),
        commonName: "db.internal",
        names: { dns: ["*.db.internal"], ip: ["::1"], uri: ["spiffe://a/b"], email: ["a@b.internal"] },
      });
      const file = join(all.good.folder, "request.pem");
      await writeFile(file, request.pem);
      const asked = "CN=db.internal [*.db.internal] [::1] [spiffe://a/b] [a@b.internal]\n";
      equal((await execute(program, ["request", file])).stdout, asked);
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
