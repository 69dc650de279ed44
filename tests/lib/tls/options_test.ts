import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { exportPrivateKey, generateKeyPair } from "@helyos/pki";
import {
  buildClientTlsOptions,
  buildServerTlsOptions,
  connectWebSocket,
  fetchTls,
  serveTls,
  TlsConfig,
  TlsConfigError,
  type TlsErrorCode,
} from "@helyos/tls";
import { lacking } from "../../support/tools.ts";
import { Ca, configOf, forge, openssl, temporaryFolder } from "./support.ts";

const SECRET = "hunter2-passphrase";

/** Every door must refuse with the same code, and before it opens a socket. */
async function refusedEverywhere(config: TlsConfig, code: TlsErrorCode, path?: string): Promise<void> {
  let connections = 0;
  await using listener = await listen(() => connections++);
  const doors: (() => Promise<unknown>)[] = [
    () => buildClientTlsOptions(config),
    () => fetchTls(config),
    () => connectWebSocket(`wss://127.0.0.1:${listener.port}/`, { tls: config }),
    () => buildServerTlsOptions(config),
    () => serveTls(() => new Response(), { config, port: listener.port, hostname: "127.0.0.1" }),
  ];
  for (const door of doors) {
    await rejects(door(), (error) => {
      ok(error instanceof TlsConfigError, String(error));
      equal(error.code, code, `${door}: ${error.message}`);
      if (path !== undefined) equal(error.path, path);
      ok(!Deno.inspect(error).includes(SECRET) && !JSON.stringify(error).includes(SECRET));
      return true;
    });
  }
  equal(connections, 0);
}

async function listen(onConnection: () => void) {
  const server = net.createServer((socket) => {
    onConnection();
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function material() {
  const temporary = await temporaryFolder();
  const ca = await Ca.make(temporary.path);
  const leaf = await ca.issue("server");
  return { folder: temporary.path, ca, leaf, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

Deno.test("a missing file is refused as file_not_found, with its path", async () => {
  await using it = await material();
  const missing = join(it.folder, "missing.pem");
  await refusedEverywhere(configOf({ ...it.leaf, certificatePath: missing }, it.ca), "file_not_found", missing);
  await refusedEverywhere(configOf({ ...it.leaf, privateKeyPath: missing }, it.ca), "file_not_found", missing);
  await refusedEverywhere(configOf(it.leaf, missing), "file_not_found", missing);
  await refusedEverywhere(configOf(it.leaf, `${it.ca.path}:${missing}`), "file_not_found", missing);
  await refusedEverywhere(configOf(it.leaf, join(it.ca.path, "x.pem")), "file_not_found");
});

Deno.test("only a certificate or only a key is refused as incomplete_pair", async () => {
  await using it = await material();
  const { certificatePath, privateKeyPath } = it.leaf;
  await refusedEverywhere(new TlsConfig({ certificatePath, caCertificatesPath: it.ca.path }), "incomplete_pair");
  await refusedEverywhere(new TlsConfig({ privateKeyPath, caCertificatesPath: it.ca.path }), "incomplete_pair");
  await refusedEverywhere(
    new TlsConfig({ certificatePath, privateKeyPath: "", caCertificatesPath: it.ca.path }),
    "incomplete_pair",
  );
});

Deno.test("a key that is not the certificate's is refused as key_mismatch", async () => {
  await using it = await material();
  const other = await it.ca.issue("server", { name: "other" });
  await refusedEverywhere(configOf({ ...it.leaf, privateKeyPath: other.privateKeyPath }, it.ca), "key_mismatch");
});

Deno.test("a certificate that is none is refused as invalid_certificate", async () => {
  await using it = await material();
  const bad = join(it.folder, "bad.pem");
  const begin = "-----BEGIN CERTIFICATE-----\n";
  const texts = [
    "",
    "no pem at all",
    `${begin}AAAA\n-----END CERTIFICATE-----\n`,
    `${begin}!!!!\n-----END CERTIFICATE-----\n`,
    `${it.leaf.pem}${it.ca.pem.slice(0, 200)}`,
    it.leaf.pem.replace(/[A-Za-z0-9]{8}\n/, "AAAAAAAA\n"),
  ];
  for (const text of texts) {
    await writeFile(bad, text);
    await rejects(
      buildServerTlsOptions(configOf({ ...it.leaf, certificatePath: bad }, it.ca)),
      (error) => error instanceof TlsConfigError && /invalid_certificate|key_mismatch/.test(error.code),
    );
  }
  await writeFile(bad, texts[1]!);
  await refusedEverywhere(configOf({ ...it.leaf, certificatePath: bad }, it.ca), "invalid_certificate", bad);
});

Deno.test("a key file without exactly one sound key is refused as invalid_key", async () => {
  await using it = await material();
  const bad = join(it.folder, "bad.key");
  const key = await Deno.readTextFile(it.leaf.privateKeyPath);
  for (const text of ["", "junk", it.leaf.pem, key + key, key.replace(/\n.{40}/, "\n" + "A".repeat(40))]) {
    await writeFile(bad, text);
    await refusedEverywhere(configOf({ ...it.leaf, privateKeyPath: bad }, it.ca), "invalid_key", bad);
  }
});

Deno.test({
  name: "a key the platform could not serve with is refused as invalid_key",
  ignore: lacking("openssl"),
  async fn() {
    await using it = await material();
    const kinds = [["rsa", "rsa_keygen_bits:1024"], ["ec", "ec_paramgen_curve:secp256k1"], ["ed448"], ["rsa-pss"]];
    for (const [kind, option] of kinds) {
      const path = join(it.folder, `${kind}.key`);
      await openssl(it.folder, "genpkey", "-algorithm", kind!, ...(option ? ["-pkeyopt", option] : []), "-out", path);
      await openssl(it.folder, "req", "-x509", "-new", "-key", path, "-subj", "/CN=localhost", "-out", `${kind}.pem`);
      const leaf = { ...it.leaf, certificatePath: join(it.folder, `${kind}.pem`), privateKeyPath: path };
      await rejects(buildServerTlsOptions(configOf(leaf, it.ca)), { code: "invalid_key" });
    }
  },
});

Deno.test("an encrypted key needs its passphrase: passphrase_required, bad_passphrase", async () => {
  await using it = await material();
  const leaf = await it.ca.issue("server", { name: "locked", passphrase: SECRET });
  await refusedEverywhere(configOf(leaf, it.ca), "passphrase_required", leaf.privateKeyPath);
  for (const keyPassword of ["wrong", "", new Uint8Array(), new Uint8Array([0xff, 0])]) {
    await refusedEverywhere(configOf(leaf, it.ca, { keyPassword }), "bad_passphrase", leaf.privateKeyPath);
  }
});

Deno.test("an encrypted key is decrypted, by a passphrase given as text or bytes", async () => {
  await using it = await material();
  const passphrase = "größe-42";
  const leaf = await it.ca.issue("server", { name: "locked", passphrase });
  for (const keyPassword of [passphrase, new TextEncoder().encode(passphrase)]) {
    const config = configOf(leaf, it.ca, { keyPassword });
    const { key } = await buildServerTlsOptions(config);
    equal(createPrivateKey(key).asymmetricKeyType, "ec");
    equal((await buildClientTlsOptions(config)).key, key);
  }
});

Deno.test({
  name: "a legacy encrypted key is decrypted too, and refused without its passphrase",
  ignore: lacking("openssl"),
  async fn() {
    await using it = await material();
    const path = join(it.folder, "legacy.key");
    await openssl(
      it.folder,
      "ec",
      "-in",
      it.leaf.privateKeyPath,
      "-aes128",
      "-passout",
      `pass:${SECRET}`,
      "-out",
      path,
    );
    ok((await Deno.readTextFile(path)).includes("Proc-Type: 4,ENCRYPTED"));
    const leaf = { ...it.leaf, privateKeyPath: path };
    await buildServerTlsOptions(configOf(leaf, it.ca, { keyPassword: SECRET }));
    await rejects(buildServerTlsOptions(configOf(leaf, it.ca)), { code: "passphrase_required" });
    await rejects(buildServerTlsOptions(configOf(leaf, it.ca, { keyPassword: "wrong" })), { code: "bad_passphrase" });
  },
});

Deno.test("a passphrase for a plain key is ignored", async () => {
  await using it = await material();
  await buildServerTlsOptions(configOf(it.leaf, it.ca, { keyPassword: SECRET }));
});

Deno.test("a CA file without a CA is refused as invalid_ca", async () => {
  await using it = await material();
  const bad = join(it.folder, "bad-ca.pem");
  const key = await exportPrivateKey(await generateKeyPair());
  for (const text of ["", "junk", key, it.leaf.pem, it.ca.pem + it.leaf.pem]) {
    await writeFile(bad, text);
    await refusedEverywhere(configOf(it.leaf, bad), "invalid_ca", bad);
  }
});

Deno.test({
  name: "a CA that may not sign certificates is refused as invalid_ca",
  ignore: lacking("openssl"),
  async fn() {
    await using it = await material();
    const extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n";
    const { certificatePath } = await forge(it.folder, { name: "weak", extensions, issuer: await it.ca.files() });
    await refusedEverywhere(configOf(it.leaf, certificatePath), "invalid_ca", certificatePath);
  },
});

Deno.test("a CA field that yields no CA is refused as no_trust_anchor, never taken for none", async () => {
  await using it = await material();
  const empty = join(it.folder, "empty");
  await mkdir(empty);
  for (const value of ["", ":", " : ", [], [""], empty, [empty]]) {
    await refusedEverywhere(configOf(it.leaf, undefined, { caCertificatesPath: value }), "no_trust_anchor");
  }
});

Deno.test("a client without a CA is refused as no_trust_anchor; a server without one demands no certificates", async () => {
  await using it = await material();
  const config = configOf(it.leaf, undefined);
  await rejects(buildClientTlsOptions(config), { code: "no_trust_anchor" });
  const { requestCert, rejectUnauthorized, ca } = await buildServerTlsOptions(config);
  deepEqual([requestCert, rejectUnauthorized, ca], [false, false, []]);
  await rejects(buildServerTlsOptions(config, { clientAuth: "require" }), { code: "client_auth_without_ca" });
});

Deno.test("a server with a CA always demands certificates", async () => {
  await using it = await material();
  const config = configOf(it.leaf, it.ca);
  for (const options of [{}, { clientAuth: "require" }] as const) {
    const { requestCert, rejectUnauthorized, ca } = await buildServerTlsOptions(config, options);
    deepEqual([requestCert, rejectUnauthorized, ca], [true, true, [it.ca.pem]]);
  }
  await rejects(buildServerTlsOptions(config, { clientAuth: "none" }), { code: "client_auth_disabled" });
  await rejects(buildServerTlsOptions(config, { clientAuth: "optional" as never }), RangeError);
});

Deno.test("buildServerTlsOptions() refuses revocation lists, which the platform would ignore", async () => {
  await using it = await material();
  const config = configOf(it.leaf, it.ca, { revocationListsPath: "crl.pem" });
  await rejects(buildServerTlsOptions(config), { code: "revocation_not_enforced" });
});

Deno.test("buildServerTlsOptions() needs a certificate", async () => {
  await using it = await material();
  await rejects(buildServerTlsOptions(configOf(undefined, it.ca)), { code: "incomplete_pair" });
});

Deno.test("CA paths: several joined by a colon, arrays left whole, folders in the order of names", async () => {
  await using it = await material();
  const folder = join(it.folder, "odd:name");
  await mkdir(folder);
  const second = await Ca.make(folder, "second");
  const third = await Ca.make(folder, "third");
  await writeFile(join(folder, "README"), "not a certificate");
  const caOf = async (caCertificatesPath: string | string[]) =>
    (await buildClientTlsOptions(new TlsConfig({ caCertificatesPath }))).ca;
  deepEqual(await caOf([folder]), [second.pem, third.pem]);
  deepEqual(await caOf([third.path, second.path]), [third.pem, second.pem]);
  await rejects(caOf(folder), { code: "file_not_found" });
  const bundle = join(it.folder, "bundle.pem");
  await writeFile(bundle, `# ours\n${second.pem}\n${third.pem}`);
  deepEqual(await caOf(`${it.ca.path}: ${bundle} :`), [it.ca.pem, second.pem, third.pem]);
});

Deno.test("buildClientTlsOptions() gives plain data that always verifies", async () => {
  await using it = await material();
  const options = await buildClientTlsOptions(configOf(it.leaf, it.ca));
  equal(options.minVersion, "TLSv1.3");
  equal(options.rejectUnauthorized, true);
  equal(options.cert, it.leaf.pem);
  equal((await buildClientTlsOptions(configOf(undefined, it.ca, { minVersion: "TLSv1.2" }))).minVersion, "TLSv1.2");
  equal("cert" in await buildClientTlsOptions(configOf(undefined, it.ca)), false);
});
