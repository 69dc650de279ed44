import { deepEqual, equal, match, notEqual, ok, rejects, throws } from "node:assert/strict";
import { parseCertificate } from "@helyos/pki";
import { newestRecords } from "../../../daemon/audit/records.ts";
import { openSealer, openSealerWith } from "../../../daemon/secrets/mod.ts";
import { checkTrust, openTrust, readCa, type TrustOptions } from "../../../daemon/trust/mod.ts";
import { fingerprintFiles } from "../takeover/original_data_dir.ts";
import { DAY, newCa, newLeaf, newWorld, type World } from "./fixtures.ts";

const FILES = ["http-ca.pem", "http-server.pem", "http-server-key.pem", "http-ca-key.sealed"];
const PUBLIC = FILES.slice(0, 3);

const options = (sans: readonly string[] = []): TrustOptions => ({
  tls: true,
  names: { host: "0.0.0.0", sans, hostname: "box-1" },
});

/** Opens, looks and closes. */
async function open(world: World, sans?: readonly string[]) {
  await using trust = await openTrust(world, options(sans));
  return { ca: trust.ca!, ...trust.current() };
}

async function read(world: World, name: string): Promise<string> {
  return await Deno.readTextFile(`${world.dataDir}/${name}`);
}

Deno.test("openTrust() refuses files that do not fit together when there is no CA key", async () => {
  const ca = await newCa();
  const leaf = await newLeaf(ca);
  const other = await newLeaf(ca);
  const strange = await newCa("another CA");
  const cases: [Record<string, string>, RegExp][] = [
    [
      { "http-ca.pem": ca.cert, "http-server.pem": leaf.cert, "http-server-key.pem": other.key },
      /key of another certificate/,
    ],
    [
      { "http-ca.pem": ca.cert, "http-server.pem": "x", "http-server-key.pem": other.key },
      /Cannot read http-server\.pem/,
    ],
    [{ "http-ca.pem": ca.cert, "http-server.pem": leaf.cert, "http-server-key.pem": "x" }, /holds no private key/],
    [
      { "http-ca.pem": "x", "http-server.pem": leaf.cert, "http-server-key.pem": leaf.key },
      /http-ca\.pem holds no readable/,
    ],
    [
      { "http-ca.pem": strange.cert, "http-server.pem": leaf.cert, "http-server-key.pem": leaf.key },
      /not issued by the CA/,
    ],
  ];
  for (const [files, why] of cases) {
    await using world = await newWorld();
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${world.dataDir}/${name}`, text);
    const before = await fingerprintFiles(world.dataDir);
    await rejects(() => openTrust(world, options()), (error: Error & { code: string }) => {
      equal(error.code, "damaged");
      match(error.message, why);
      match(error.message, /delete all three to get a new CA/);
      return true;
    });
    deepEqual(await fingerprintFiles(world.dataDir), before);
  }
});

Deno.test("openTrust() refuses a CA key sealed under another master key, or altered, and changes nothing", async () => {
  await using world = await newWorld();
  await open(world);
  const before = await fingerprintFiles(world.dataDir);
  const other = { ...world, sealer: await openSealerWith(new Uint8Array(32)) };
  const refused = {
    name: "SecretError",
    code: "sealed_invalid",
    message: /http-ca-key\.sealed: it was altered, or master\.key/,
  };
  await rejects(() => openTrust(other, options()), refused);
  await rejects(() => checkTrust(other, options()), refused);
  deepEqual(await fingerprintFiles(world.dataDir), before);
});

Deno.test("openTrust() makes a CA and a 90-day certificate, readable only by the owner but for the two certificates", async () => {
  const umask = Deno.umask(0);
  await using world = await newWorld();
  const served = await open(world, ["cluster.example", "203.0.113.10"]);
  Deno.umask(umask);
  const ca = parseCertificate(served.ca.pem);
  const leaf = parseCertificate(served.cert);
  deepEqual([ca.subject.commonName, ca.isCa, leaf.subject.commonName, leaf.isCa], ["helyos CA", true, "helyos", false]);
  equal(Math.round((leaf.notAfter.getTime() - world.now().getTime()) / DAY), 90);
  ok(ca.notAfter.getTime() - world.now().getTime() > 3640 * DAY);
  deepEqual(leaf.names.map(({ value }) => value).sort(), [
    "127.0.0.1",
    "203.0.113.10",
    "::1",
    "box-1",
    "cluster.example",
    "helyos",
    "localhost",
  ]);
  const modes = Object.fromEntries(
    FILES.map((name) => [name, (Deno.statSync(`${world.dataDir}/${name}`).mode! & 0o777).toString(8)]),
  );
  deepEqual(modes, {
    "http-ca.pem": "644",
    "http-server.pem": "644",
    "http-server-key.pem": "600",
    "http-ca-key.sealed": "600",
  });
  match(served.ca.pem, /^-----BEGIN CERTIFICATE-----\n[^\r]*\n-----END CERTIFICATE-----\n$/);
  equal(await read(world, "http-ca.pem"), served.ca.pem);
  const description = await readCa(world.dataDir);
  deepEqual([description!.pem, description!.sha256], [served.ca.pem, served.ca.sha256]);
  match(served.ca.sha256, /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/);
  ok(!(await read(world, "http-ca-key.sealed").catch(() => "")).includes("PRIVATE KEY"));
  deepEqual((await newestRecords(world.store, 9)).map(({ actor, action }) => `${actor} ${action}`).sort(), [
    "helyosd ca.create",
    "helyosd certificate.issue",
  ]);
});

Deno.test("openTrust() changes nothing on a restart", async () => {
  await using world = await newWorld();
  const first = await open(world);
  const before = await fingerprintFiles(world.dataDir);
  world.advance(59 * DAY);
  deepEqual(await open(world), first);
  deepEqual((await checkTrust(world, options())).mode, "self-signed");
  deepEqual(await fingerprintFiles(world.dataDir), before);
  deepEqual(world.lines.filter((line) => line.startsWith("warn")), []);
});

Deno.test("openTrust() re-issues the leaf alone when names change", async () => {
  await using world = await newWorld();
  const first = await open(world);
  const second = await open(world, ["new.example"]);
  deepEqual(second.ca, first.ca);
  notEqual(second.cert, first.cert);
  notEqual(second.key, first.key);
  ok(parseCertificate(second.cert).names.some(({ value }) => value === "new.example"));
  const third = await open(world);
  ok(!parseCertificate(third.cert).names.some(({ value }) => value === "new.example"));
});

Deno.test("openTrust() makes a new CA when the three files were deleted, and names both fingerprints", async () => {
  await using world = await newWorld();
  const first = await open(world);
  for (const name of PUBLIC) await Deno.remove(`${world.dataDir}/${name}`);
  match((await checkTrust(world, options())).warnings.join(), new RegExp(first.ca.sha256));
  const second = await open(world);
  notEqual(second.ca.sha256, first.ca.sha256);
  const line = world.lines.find((line) => line.startsWith("warn new control-plane CA"));
  ok(line?.includes(`Old SHA-256 ${first.ca.sha256}, new SHA-256 ${second.ca.sha256}`));
  deepEqual(await open(world), second);
});

Deno.test("openTrust() keeps the CA when fewer files are lost or damaged", async () => {
  await using world = await newWorld();
  const first = await open(world);
  for (
    const lost of [["http-ca.pem"], ["http-server.pem"], ["http-server-key.pem"], [
      "http-server.pem",
      "http-server-key.pem",
    ], ["http-ca.pem", "http-server.pem"]]
  ) {
    for (const name of lost) await Deno.remove(`${world.dataDir}/${name}`);
    deepEqual((await open(world)).ca, first.ca, lost.join());
    equal(await read(world, "http-ca.pem"), first.ca.pem);
  }
  for (const damaged of ["http-server.pem", "http-server-key.pem"]) {
    for (const text of ["", "garbage", first.ca.pem]) {
      await Deno.writeTextFile(`${world.dataDir}/${damaged}`, text);
      deepEqual((await open(world)).ca, first.ca);
    }
  }
});

Deno.test("tick() renews at a third left, tells its listeners and leaves the CA alone", async () => {
  await using world = await newWorld();
  await using trust = await openTrust(world, options());
  let changes = 0;
  trust.onChange(() => changes++);
  const first = trust.current();
  world.advance(59.9 * DAY);
  await trust.tick();
  equal(trust.current(), first);
  world.advance(0.2 * DAY);
  await Promise.all([trust.tick(), trust.tick(), trust.tick()]);
  const second = trust.current();
  deepEqual([changes, second.cert === first.cert, second.key === first.key], [1, false, false]);
  equal(Math.round((second.notAfter.getTime() - world.now().getTime()) / DAY), 90);
  equal(await read(world, "http-server.pem"), second.cert);
  equal(await read(world, "http-server-key.pem"), second.key);
  equal(await read(world, "http-ca.pem"), trust.ca!.pem);
  match(world.lines.at(-1)!, /info control-plane certificate renewed/);
  world.advance(365 * DAY); // a machine that slept past the end
  await trust.tick();
  ok(trust.current().notAfter > world.now());
});

Deno.test("tick() keeps what it has when it cannot renew, complains once an hour, and renews once it can", async () => {
  await using world = await newWorld();
  await using trust = await openTrust(world, options());
  const first = trust.current();
  world.advance(61 * DAY);
  await Deno.rename(world.dataDir, `${world.dataDir}-away`);
  for (let n = 0; n < 5; n++) await trust.tick();
  equal(trust.current(), first);
  equal(world.lines.filter((line) => line.startsWith("error")).length, 1);
  world.advance(3_600_000);
  await trust.tick();
  equal(world.lines.filter((line) => line.startsWith("error")).length, 2);
  await Deno.rename(`${world.dataDir}-away`, world.dataDir);
  await trust.tick();
  notEqual(trust.current().cert, first.cert);
});

Deno.test("openTrust() serves an original's files unchanged and says that it cannot renew them", async () => {
  await using world = await newWorld();
  const ca = await newCa("helyos CA");
  const leaf = await newLeaf(ca, {
    names: { dns: ["localhost", "helyos", "box-1"], ip: ["127.0.0.1"] },
    lifetimeSeconds: 86_400 * 3000,
  });
  await Deno.writeTextFile(`${world.dataDir}/http-ca.pem`, ca.cert);
  await Deno.writeTextFile(`${world.dataDir}/http-server.pem`, leaf.cert);
  await Deno.writeTextFile(`${world.dataDir}/http-server-key.pem`, leaf.key, { mode: 0o644 });
  const before = await fingerprintFiles(world.dataDir);
  await using trust = await openTrust(world, options(["new.example"]));
  await trust.tick();
  deepEqual([trust.current().cert, trust.ca!.pem], [leaf.cert, ca.cert]);
  deepEqual(await fingerprintFiles(world.dataDir), before);
  const warnings = world.lines.filter((line) => line.startsWith("warn")).join("\n");
  match(warnings, /cannot be renewed: there is no key of its CA/);
  match(warnings, /lacks these names and they cannot be added: new\.example, ::1/);
  match(warnings, /others may read the private key .*http-server-key\.pem \(mode 0644\): chmod 600 it/);
  world.advance(2990 * DAY);
  for (let n = 0; n < 3; n++) await trust.tick();
  equal(world.lines.filter((line) => /control-plane certificate ends .*delete the three/.test(line)).length, 1);
});

Deno.test("openTrust() makes all anew when an original's files are incomplete, as the original did", async () => {
  const ca = await newCa("helyos CA");
  const leaf = await newLeaf(ca);
  await using world = await newWorld();
  await Deno.writeTextFile(`${world.dataDir}/http-ca.pem`, ca.cert);
  await Deno.writeTextFile(`${world.dataDir}/http-server-key.pem`, leaf.key, { mode: 0o644 });
  const served = await open(world);
  notEqual(served.ca.pem, ca.cert);
  deepEqual(await open(world), served);
});

Deno.test("openTrust() survives a crash between any two of its writes", async () => {
  // What each step leaves behind, in the order of the writes
  await using world = await newWorld();
  const first = await open(world);
  const old = new Map(
    await Promise.all(FILES.map(async (name) => [name, await Deno.readFile(`${world.dataDir}/${name}`)] as const)),
  );
  const firstStart = ["http-ca-key.sealed", "http-ca.pem", "http-server-key.pem"];
  for (let step = 1; step <= firstStart.length; step++) {
    for (const name of FILES) await Deno.remove(`${world.dataDir}/${name}`).catch(() => {});
    for (const name of firstStart.slice(0, step)) await Deno.writeFile(`${world.dataDir}/${name}`, old.get(name)!);
    const served = await open(world);
    if (step > 1) deepEqual(served.ca, first.ca); // before that nobody can have seen it
    deepEqual(await open(world), served);
  }
  // A renewal: the new key is there, the certificate is still the old one's
  for (const [name, bytes] of old) await Deno.writeFile(`${world.dataDir}/${name}`, bytes);
  await open(world, ["new.example"]);
  await Deno.writeFile(`${world.dataDir}/http-server.pem`, old.get("http-server.pem")!);
  deepEqual((await open(world)).ca, first.ca);
});

Deno.test("openTrust() survives SIGKILL at any instant with the CA its clients have seen", async () => {
  await using world = await newWorld();
  const child = new URL("./trust_crasher.ts", import.meta.url).pathname;
  let seen: string | undefined;
  for (let round = 0; round < 6; round++) {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        `--allow-read=${world.dataDir}`,
        `--allow-write=${world.dataDir}`,
        child,
        world.dataDir,
      ],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let text = "";
    for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split("\n").length > 2 + round) {
        try {
          process.kill("SIGKILL");
        } catch { /* already dead */ }
      }
    }
    await process.status;
    match(text, /\n/);
    for (const line of text.split("\n").slice(0, -1)) {
      seen ??= line;
      equal(line, seen);
    }
    const served = await open({ ...world, sealer: await openSealer(world.dataDir) });
    equal(served.ca.sha256, seen);
  }
});

Deno.test("openTrust() refuses one file alone and serves nothing when TLS is off", async () => {
  await using world = await newWorld();
  const names = { host: "127.0.0.1" };
  for (const tls of [true, false]) {
    await rejects(() => openTrust(world, { tls, certFile: "/x", names }), {
      code: "one_alone",
      message: /--tls-cert alone: give --tls-key/,
    });
    await rejects(() => openTrust(world, { tls, keyFile: "/x", names }), {
      code: "one_alone",
      message: /--tls-key alone: give --tls-cert/,
    });
    await rejects(() => checkTrust(world, { tls, keyFile: "/x", names }), { code: "one_alone" });
  }
  await using trust = await openTrust(world, { tls: false, names });
  throws(() => trust.current(), TypeError);
  deepEqual([trust.mode, trust.ca], ["off", undefined]);
  equal((await checkTrust(world, { tls: false, names })).mode, "off");
  deepEqual([...Deno.readDirSync(world.dataDir)].map(({ name }) => name), ["master.key"]);
});

Deno.test("checkTrust() says what would be made and makes nothing", async () => {
  await using world = await newWorld();
  const before = await fingerprintFiles(world.dataDir);
  match(
    (await checkTrust(world, options(["a.example"]))).lines.join("\n"),
    /new certificate for localhost, helyos, a\.example.*\n.*new CA/,
  );
  deepEqual(await fingerprintFiles(world.dataDir), before);
  await open(world);
  match(
    (await checkTrust(world, options(["a.example"]))).lines.join("\n"),
    /names it must hold have changed.*\nCA with SHA-256/,
  );
});
