import { equal, match, rejects } from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { exportPkcs12, exportPrivateKey, generateKeyPair, importPrivateKey, parseCertificates } from "@helyos/pki";
import { temporaryFolder } from "../../support/process.ts";
import { lacking, tool } from "../../support/tools.ts";
import { ALGORITHMS, authority, identity, keyFor } from "./support/material.ts";

const execute = promisify(execFile);
const passphrase = "pässword";
const ca = await authority("ec-p256");
const leaf = await identity(ca, "server");
const key = await keyFor("leaf", "ec-p256");
const certificate = leaf.certificate;

Deno.test("exportPkcs12() refuses a certificate of another key, an empty passphrase and a key that is locked in", async () => {
  const other = await generateKeyPair();
  await rejects(() => exportPkcs12({ key: other, certificate, passphrase }), {
    name: "PkiError",
    code: "key_mismatch",
  });
  await rejects(() => exportPkcs12({ key, certificate, passphrase: "" }), RangeError);
  await rejects(() => exportPkcs12({ key, certificate, passphrase: "🐴" }), RangeError);
  await rejects(() => exportPkcs12({ key, certificate: "junk", passphrase }), { code: "invalid_pem" });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", key.privateKey);
  const locked = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const pair = { ...key, privateKey: locked };
  await rejects(() => exportPkcs12({ key: pair, certificate, passphrase }), { code: "invalid_key" });
});

for (const algorithm of ALGORITHMS) {
  Deno.test({
    name: `exportPkcs12() writes ${algorithm} keys that OpenSSL reads, under the right passphrase alone`,
    ignore: lacking("openssl"),
    async fn() {
      await using folder = await temporaryFolder();
      const file = join(folder.path, "identity.p12");
      const own = await identity(ca, "server", { algorithm });
      const pair = await keyFor("leaf", algorithm);
      const chain = [ca.intermediate.pem, ca.root.pem];
      await writeFile(
        file,
        await exportPkcs12({ key: pair, certificate: own.certificate, chain, passphrase, name: "Däta" }),
      );
      const read = (pass: string, ...flags: string[]) =>
        execute(tool("openssl"), ["pkcs12", "-in", file, "-passin", `pass:${pass}`, "-nodes", ...flags]);
      const { stdout } = await read(passphrase);
      const certificates = parseCertificates(stdout.replace(/-----BEGIN PRIVATE[^]*?END PRIVATE KEY-----/, ""));
      equal(certificates.length, 3);
      equal(await exportPrivateKey(await importPrivateKey(stdout)), await exportPrivateKey(pair));
      match(stdout, /friendlyName: D\\?[^]*ta/);
      await rejects(() => read("wrong"), /Mac verify error/);
    },
  });
}

Deno.test({
  name: "exportPkcs12() writes what GnuTLS reads",
  ignore: lacking("certtool"),
  async fn() {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "identity.p12");
    await writeFile(file, await exportPkcs12({ key, certificate, chain: [ca.intermediate.pem], passphrase: "secret" }));
    const read = (password: string) =>
      execute(tool("certtool"), ["--p12-info", "--inder", "--infile", file, "--password", password]);
    const { stdout } = await read("secret");
    equal(stdout.match(/BEGIN CERTIFICATE/g)?.length, 2);
    const [sealed = ""] = /-----BEGIN ENCRYPTED[^]*?END ENCRYPTED PRIVATE KEY-----\n/.exec(stdout) ?? [];
    const again = await importPrivateKey(sealed, { passphrase: "secret" });
    equal(await exportPrivateKey(again), await exportPrivateKey(key));
    await rejects(() => read("wrong"));
  },
});
