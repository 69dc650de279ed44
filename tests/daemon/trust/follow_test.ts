import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { get } from "node:https";
import { parseCertificate, parseCertificates } from "@helyos/pki";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { openTrust, type TrustOptions, type TrustState } from "../../../daemon/trust/mod.ts";
import { DAY, newCa, newWorld, type World } from "./fixtures.ts";

const OPTIONS: TrustOptions = { tls: true, names: { host: "0.0.0.0" } };
const YEARS = 365 * DAY;

/** Status of a request that trusts one CA alone. */
function pinned(port: number, ca: string, host = "localhost"): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host, port, ca: [ca], agent: false, rejectUnauthorized: true }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode!));
    }).on("error", reject);
  });
}

async function serve<T>(trust: TrustState, host: string, use: (port: number) => Promise<T>): Promise<T> {
  const { cert, key } = trust.current();
  await using server = Deno.serve({ hostname: host, port: 0, cert, key, onListen() {} }, () => new Response("ok"));
  return await use(server.addr.port);
}

/** A world whose CA is so old today that another one must follow. */
async function agedWorld(): Promise<World & { oldCa: string }> {
  const world = await newWorld();
  world.advance(-8.1 * YEARS);
  await using trust = await openTrust(world, OPTIONS);
  const oldCa = trust.ca!.pem;
  world.advance(8.1 * YEARS);
  return { ...world, oldCa };
}

Deno.test("what openTrust() serves verifies by name and address for who pinned the CA, and for nobody else", async () => {
  await using world = await newWorld();
  await using trust = await openTrust(world, OPTIONS);
  const stranger = await newCa("helyos CA");
  for (const [listen, hosts] of [["127.0.0.1", ["localhost", "127.0.0.1"]], ["::1", ["::1"]]] as const) {
    await serve(trust, listen, async (port) => {
      for (const host of hosts) {
        equal(await pinned(port, trust.ca!.pem, host), 200);
        await rejects(() => pinned(port, stranger.cert, host));
      }
    });
  }
});

Deno.test("tick() lets a new CA follow two years before the old one ends, and pins of both are good", async () => {
  await using world = await agedWorld();
  await using trust = await openTrust(world, OPTIONS);
  equal(trust.ca!.pem, world.oldCa);
  let changes = 0;
  trust.onChange(() => changes++);
  await trust.tick();
  await trust.tick();
  const newCaPem = trust.ca!.pem;
  equal(changes, 1);
  notEqual(newCaPem, world.oldCa);
  equal(await Deno.readTextFile(`${world.dataDir}/http-ca.pem`), newCaPem);
  const [leaf, link] = parseCertificates(trust.current().cert);
  deepEqual([leaf!.isCa, link!.isCa, link!.subject.commonName], [false, true, "helyos CA"]);
  deepEqual(link!.notAfter, parseCertificate(world.oldCa).notAfter);
  await serve(trust, "127.0.0.1", async (port) => {
    equal(await pinned(port, world.oldCa), 200);
    equal(await pinned(port, newCaPem), 200);
    await rejects(async () => await pinned(port, (await newCa("helyos CA")).cert));
  });
  match(world.lines.join("\n"), /pins of both are good\. Old SHA-256 [0-9a-f:]{95}, new SHA-256/);
  deepEqual((await newestRecords(world.store, 2)).map(({ action }) => action), ["certificate.issue", "ca.follow"]);
  await using again = await openTrust(world, OPTIONS);
  deepEqual([again.ca!.pem, again.current().cert], [newCaPem, trust.current().cert]);
});

Deno.test("tick() is not fooled for good by a clock that was years ahead", async () => {
  await using world = await newWorld();
  await using trust = await openTrust(world, OPTIONS);
  const oldCa = trust.ca!.pem;
  world.advance(9 * YEARS);
  await trust.tick();
  world.advance(-9 * YEARS);
  await trust.tick();
  await serve(trust, "127.0.0.1", async (port) => {
    equal(await pinned(port, oldCa), 200);
    equal(await pinned(port, trust.ca!.pem), 200);
  });
  world.advance(20 * YEARS);
  await trust.tick(); // every CA has ended: an error, not a new CA that breaks all pins should the clock be wrong
  match(world.lines.at(-1)!, /error .*CA in http-ca\.pem expired.*if the clock is right/);
  world.advance(-20 * YEARS);
  await serve(trust, "127.0.0.1", async (port) => equal(await pinned(port, oldCa), 200));
});

Deno.test("tick() drops the link once the old CA has ended, and follows again in time", async () => {
  await using world = await agedWorld();
  await using trust = await openTrust(world, OPTIONS);
  await trust.tick();
  world.advance(2.2 * YEARS);
  await trust.tick();
  equal(parseCertificates(trust.current().cert).length, 1);
  const second = trust.ca!.pem;
  world.advance(6 * YEARS);
  await trust.tick();
  notEqual(trust.ca!.pem, second);
  equal(parseCertificates(trust.current().cert).length, 2);
});

Deno.test("openTrust() finishes a following that was killed between its files", async () => {
  const names = ["http-ca-key.sealed", "http-ca.pem", "http-server-key.pem", "http-server.pem"];
  await using world = await agedWorld();
  const read = async () =>
    new Map(
      await Promise.all(names.map(async (name) => [name, await Deno.readFile(`${world.dataDir}/${name}`)] as const)),
    );
  const before = await read();
  await using trust = await openTrust(world, OPTIONS);
  await trust.tick();
  const after = await read();
  for (let step = 1; step < names.length; step++) {
    for (const [at, name] of names.entries()) {
      await Deno.writeFile(`${world.dataDir}/${name}`, (at < step ? after : before).get(name)!);
    }
    await using again = await openTrust(world, OPTIONS);
    equal(again.ca!.pem, trust.ca!.pem);
    await serve(again, "127.0.0.1", async (port) => {
      equal(await pinned(port, world.oldCa), 200);
      equal(await pinned(port, trust.ca!.pem), 200);
    });
  }
});
