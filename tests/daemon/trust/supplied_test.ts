import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { exportPrivateKey, generateKeyPair, issueCertificate, parseCertificate } from "@helyos/pki";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { checkTrust, openTrust, type TrustErrorCode, type TrustOptions } from "../../../daemon/trust/mod.ts";
import { DAY, newCa, newLeaf, newWorld, type Pair, type World } from "./fixtures.ts";

/** A world with a good supplied pair in files. */
async function suppliedWorld(
  pair?: Pair,
): Promise<World & { options: TrustOptions; put(pair: Partial<Pair>): Promise<void> }> {
  const world = await newWorld();
  const certFile = `${world.dataDir}/api.crt`;
  const keyFile = `${world.dataDir}/api.key`;
  const put = async ({ cert, key }: Partial<Pair>) => {
    if (cert !== undefined) await Deno.writeTextFile(certFile, cert);
    if (key !== undefined) await Deno.writeTextFile(keyFile, key);
  };
  await put(pair ?? await newLeaf(await newCa()));
  return { ...world, put, options: { tls: true, certFile, keyFile, names: { host: "0.0.0.0" } } };
}

/** A leaf under an intermediate under a root. */
async function newChain(): Promise<{ leaf: Pair; intermediate: string; root: string }> {
  const root = await newCa("root");
  const key = await generateKeyPair();
  const { pem } = await issueCertificate({
    issuer: root,
    profile: "intermediate",
    publicKey: key.publicKey,
    commonName: "intermediate",
  });
  return { leaf: await newLeaf({ certificate: pem, key }), intermediate: pem, root: root.cert };
}

Deno.test("openTrust() refuses supplied files that cannot be served, and says why", async () => {
  const now = new Date();
  const ca = await newCa("test CA", new Date(now.getTime() - 100 * DAY));
  const good = await newLeaf(ca);
  const chain = await newChain();
  const locked = await exportPrivateKey(await generateKeyPair(), { passphrase: "secret" });
  const cases: [Partial<Pair>, TrustErrorCode, RegExp][] = [
    [{ cert: "" }, "invalid_certificate", /Cannot read --tls-cert .*api\.crt/],
    [{ cert: "garbage" }, "invalid_certificate", /--tls-cert/],
    [{ cert: good.cert.replace(/\n[A-Za-z0-9+/]{64}\n/, "\n") }, "invalid_certificate", /--tls-cert/],
    [{ cert: good.key }, "invalid_certificate", /--tls-cert/],
    [{ key: "" }, "invalid_key", /--tls-key .*api\.key: it holds no private key/],
    [{ key: good.cert }, "invalid_key", /holds no private key/],
    [{ key: locked }, "invalid_key", /locked with a passphrase/],
    [{ key: (await newLeaf(ca)).key }, "mismatch", /--tls-key .*api\.key is the key of another certificate/],
    [
      await newLeaf(ca, { now: new Date(now.getTime() - 50 * DAY) }),
      "expired",
      /it expired on \d{4}-.*this clock says/,
    ],
    [await newLeaf(ca, { now: new Date(now.getTime() + 50 * DAY) }), "not_yet_valid", /not valid before \d{4}-/],
    [
      { cert: chain.intermediate + chain.leaf.cert, key: chain.leaf.key },
      "chain_order",
      /key is that of certificate 2 in it/,
    ],
    [
      { cert: chain.leaf.cert + chain.root, key: chain.leaf.key },
      "chain_order",
      /certificate 1 in it was not issued by certificate 2/,
    ],
    [{ cert: chain.leaf.cert + chain.root + chain.intermediate, key: chain.leaf.key }, "chain_order", /certificate 1/],
  ];
  for (const [pair, code, message] of cases) {
    await using world = await suppliedWorld(good);
    await world.put(pair);
    await rejects(() => openTrust(world, world.options), { name: "TrustError", code, message });
    await rejects(() => checkTrust(world, world.options), { code, message });
  }
});

Deno.test("openTrust() refuses supplied files it cannot read", async () => {
  await using world = await suppliedWorld();
  const { options } = world;
  const missing = { ...options, certFile: `${world.dataDir}/missing` };
  await rejects(() => openTrust(world, missing), {
    code: "unreadable",
    message: /--tls-cert .*missing: there is no such file/,
  });
  await rejects(() => openTrust(world, { ...options, keyFile: world.dataDir }), {
    code: "unreadable",
    message: /not a file/,
  });
  await rejects(() => openTrust(world, { ...options, keyFile: "/dev/zero" }), { code: "unreadable" });
  await Deno.truncate(options.keyFile!, 2 ** 21);
  await rejects(() => openTrust(world, options), { code: "unreadable", message: /larger than/ });
});

Deno.test("openTrust() never tells what stands in a key file", async () => {
  await using world = await suppliedWorld();
  await world.put({ key: "canary-key-material" });
  await rejects(() => openTrust(world, world.options), (error: Error) => {
    equal(JSON.stringify([error.message, String(error.cause), error.stack]).includes("canary"), false);
    return true;
  });
});

Deno.test("openTrust() serves a supplied chain, offers no CA, and takes every kind of key file", async () => {
  const { leaf, intermediate } = await newChain();
  await using world = await suppliedWorld({ cert: `comment\n${leaf.cert}${intermediate}`, key: leaf.key });
  await Deno.writeTextFile(`${world.dataDir}/http-ca.pem`, "a stale CA of earlier days");
  const sec1 = createPrivateKey(leaf.key).export({ type: "sec1", format: "pem" }) as string;
  for (const key of [leaf.key, sec1]) {
    await world.put({ key });
    await using trust = await openTrust(world, world.options);
    deepEqual([trust.mode, trust.ca, trust.current().cert], ["supplied", undefined, leaf.cert + intermediate]);
    await using _server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", ...trust.current(), onListen() {} },
      () => new Response(),
    );
  }
});

Deno.test("openTrust() warns of a supplied certificate that clients will refuse", async () => {
  const ca = await newCa();
  await using world = await suppliedWorld({ cert: ca.cert, key: await exportPrivateKey(ca.key) });
  await using _trust = await openTrust(world, world.options);
  match(world.lines.join("\n"), /CA:TRUE[^]*no subject alternative name/);
  equal((await checkTrust(world, world.options)).warnings.length, 2);
});

Deno.test("tick() keeps the old certificate while its replacement is broken, says why once, and takes it when it is whole", async () => {
  await using world = await suppliedWorld();
  await using trust = await openTrust(world, world.options);
  let changes = 0;
  trust.onChange(() => changes++);
  const old = trust.current();
  const next = await newLeaf(await newCa());
  const steps: [Partial<Pair> | "delete", RegExp][] = [
    [{ cert: next.cert }, /key of another certificate/],
    [{ cert: next.cert.slice(0, 100) }, /Cannot read --tls-cert/],
    ["delete", /no such file/],
  ];
  for (const [step, why] of steps) {
    if (step === "delete") await Deno.remove(world.options.certFile!);
    else await world.put(step);
    world.lines.length = 0;
    for (let n = 0; n < 3; n++) await trust.tick();
    equal(trust.current(), old);
    const warned = world.lines.filter((line) => line.includes("so the old one stays"));
    equal(warned.length, 1);
    match(warned[0]!, why);
  }
  await world.put(next);
  await Promise.all([trust.tick(), trust.tick()]);
  deepEqual([trust.current().cert, trust.current().key, changes], [next.cert, next.key, 1]);
  deepEqual((await newestRecords(world.store, 9)).map(({ actor, action, target }) => [actor, action, target]), [
    ["helyosd", "certificate.reload", `control plane, serial ${parseCertificate(next.cert).serial}`],
  ]);
  await trust.tick();
  equal(changes, 1);
});

Deno.test("tick() notices renamed files and symbolic links that point elsewhere", async () => {
  const ca = await newCa();
  await using world = await suppliedWorld(await newLeaf(ca));
  const link = `${world.dataDir}/current`;
  for (const version of ["1", "2"]) {
    await Deno.mkdir(`${world.dataDir}/${version}`);
    const pair = await newLeaf(ca);
    await Deno.writeTextFile(`${world.dataDir}/${version}/tls.crt`, pair.cert);
    await Deno.writeTextFile(`${world.dataDir}/${version}/tls.key`, pair.key);
  }
  await Deno.symlink("1", link);
  await using trust = await openTrust(world, {
    ...world.options,
    certFile: `${link}/tls.crt`,
    keyFile: `${link}/tls.key`,
  });
  const first = trust.current().cert;
  await Deno.symlink("2", `${link}-new`);
  await Deno.rename(`${link}-new`, link);
  await trust.tick();
  notEqual(trust.current().cert, first);
});

Deno.test("tick() announces the end of a supplied certificate once a day", async () => {
  await using world = await suppliedWorld(await newLeaf(await newCa(), { lifetimeSeconds: 30 * 86_400 }));
  await using trust = await openTrust(world, world.options);
  const announced = () => world.lines.filter((line) => /ends|expired on/.test(line));
  equal(announced().length, 0);
  world.advance(20 * DAY);
  for (let n = 0; n < 3; n++) await trust.tick();
  equal(announced().length, 1);
  world.advance(11 * DAY);
  await trust.tick();
  match(announced().at(-1)!, /expired on .*replace .*api\.crt/);
  equal(announced().length, 2);
});
