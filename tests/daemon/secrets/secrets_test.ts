import { deepEqual, equal, notDeepEqual, ok, rejects } from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import { checkMasterKey, openSealer, openSealerWith } from "../../../daemon/secrets/mod.ts";

const CANARY = new TextEncoder().encode("canary-secret-value");

async function folder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("openSealer() refuses a master key of another size and leaves it alone", async () => {
  await using at = await folder();
  for (const size of [0, 16, 31, 33]) {
    await Deno.writeFile(`${at.path}/master.key`, new Uint8Array(size));
    await rejects(() => openSealer(at.path), {
      name: "SecretError",
      code: "key_invalid",
      message: new RegExp(`^secret error: master key invalid length: expected 32, got ${size}; restore .*master\\.key`),
    });
    await rejects(() => checkMasterKey(at.path), { code: "key_invalid" });
    equal((await Deno.stat(`${at.path}/master.key`)).size, size);
  }
});

Deno.test("openSealer() makes no new key where things sealed under a lost one are", async () => {
  for (const name of ["state.db", "http-ca-key.sealed"]) {
    await using at = await folder();
    await Deno.writeTextFile(`${at.path}/${name}`, "");
    await rejects(() => openSealer(at.path), {
      code: "key_missing",
      message: new RegExp(`master\\.key is missing but ${name}`),
    });
    await rejects(() => checkMasterKey(at.path), { code: "key_missing" });
    await rejects(() => Deno.stat(`${at.path}/master.key`), Deno.errors.NotFound);
  }
});

Deno.test("openSealer() says which key it cannot read or create", async () => {
  await using at = await folder();
  await Deno.mkdir(`${at.path}/master.key`);
  await rejects(() => openSealer(at.path), { code: "key_unreadable", message: /cannot read .*master\.key/ });
  await rejects(() => openSealer(`${at.path}/missing`), { code: "key_unreadable", message: /cannot create/ });
});

Deno.test("openSealer() reads no device or pipe, which might never end", async () => {
  await using at = await folder();
  await Deno.symlink("/dev/zero", `${at.path}/master.key`);
  await rejects(() => openSealer(at.path), {
    code: "key_unreadable",
    message: /it is no file; restore it from a backup$/,
  });
});

Deno.test("openSealer() creates one key of 32 bytes and mode 0600, also when two start at once", async () => {
  await using at = await folder();
  equal(await checkMasterKey(at.path), "absent");
  const umask = Deno.umask(0);
  const [a, b] = await Promise.all([openSealer(at.path), openSealer(at.path)]);
  Deno.umask(umask);
  deepEqual(await b.open("x", await a.seal("x", CANARY)), CANARY);
  const { mode, size } = await Deno.stat(`${at.path}/master.key`);
  deepEqual([mode! & 0o777, size], [0o600, 32]);
  deepEqual([...Deno.readDirSync(at.path)].map((entry) => entry.name), ["master.key"]);
  equal(await checkMasterKey(at.path), "present");
});

Deno.test("open() refuses what was altered, cut, renamed or sealed under another key", async () => {
  const sealer = await openSealerWith(new Uint8Array(32).fill(1));
  const other = await openSealerWith(new Uint8Array(32).fill(2));
  const sealed = await sealer.seal("name", CANARY);
  const refused = { name: "SecretError", code: "sealed_invalid" };
  for (let at = 0; at < sealed.length; at++) {
    const altered = sealed.slice();
    altered[at]! ^= 1;
    await rejects(() => sealer.open("name", altered), refused);
  }
  for (const length of [0, 1, 12, 28, sealed.length - 1]) {
    await rejects(() => sealer.open("name", sealed.slice(0, length)), refused);
  }
  await rejects(() => sealer.open("other name", sealed), refused);
  await rejects(() => other.open("name", sealed), refused);
});

Deno.test("seal() hides the value, differs every time and opens after a restart", async () => {
  const key = randomBytes(32);
  const sealer = await openSealerWith(new Uint8Array(key));
  const [one, two] = [await sealer.seal("name", CANARY), await sealer.seal("name", CANARY)];
  notDeepEqual(one, two);
  ok(!new TextDecoder("latin1").decode(one).includes("canary"));
  const again = await openSealerWith(new Uint8Array(key));
  deepEqual(await again.open("name", one), CANARY);
  deepEqual(await again.open("empty", await sealer.seal("empty", new Uint8Array())), new Uint8Array());
});

Deno.test("digest() is the same for the same purpose, data and key only", async () => {
  const sealer = await openSealerWith(new Uint8Array(32).fill(1));
  const other = await openSealerWith(new Uint8Array(32).fill(2));
  const digest = await sealer.digest("token-cache", "nxa-api_1");
  equal(digest.length, 32);
  deepEqual(await sealer.digest("token-cache", new TextEncoder().encode("nxa-api_1")), digest);
  notDeepEqual(await sealer.digest("token-cache", "nxa-api_2"), digest);
  notDeepEqual(await sealer.digest("other", "nxa-api_1"), digest);
  notDeepEqual(await other.digest("token-cache", "nxa-api_1"), digest);
});

Deno.test("openOriginal() reads what the original daemon encrypted and refuses what was altered", async () => {
  const key = randomBytes(32);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const value = new Uint8Array(Buffer.concat([nonce, cipher.update(CANARY), cipher.final(), cipher.getAuthTag()]));
  const sealer = await openSealerWith(new Uint8Array(key));
  deepEqual(await sealer.openOriginal(value), CANARY);
  value[20]! ^= 1;
  await rejects(() => sealer.openOriginal(value), { code: "sealed_invalid" });
  await rejects(() => sealer.openOriginal(value.slice(0, 20)), { code: "sealed_invalid" });
});
