import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseCertificate } from "@helyos/pki";
import {
  buildClientTlsOptions,
  buildServerTlsOptions,
  generateTestCertificates,
  peerSubjectAltNameValues,
} from "@helyos/tls";
import { lacking } from "../../support/tools.ts";
import { openssl, temporaryFolder } from "./support.ts";

const FILES = ["ca.pem", "client.key", "client.pem", "server.key", "server.pem"];

Deno.test("generateTestCertificates() writes the five files and gives configurations for both ends", async () => {
  await using temporary = await temporaryFolder();
  const folder = join(temporary.path, "deep/er");
  const { server, client, caPath } = await generateTestCertificates(folder);
  deepEqual((await readdir(folder)).sort(), FILES);
  equal(caPath, join(folder, "ca.pem"));
  equal(server.certificatePath, join(folder, "server.pem"));
  equal(client.privateKeyPath, join(folder, "client.key"));
  equal(server.caCertificatesPath, caPath);
  await buildServerTlsOptions(server, { clientAuth: "require" });
  await buildClientTlsOptions(client);
});

Deno.test("generateTestCertificates() makes what the guide says", async () => {
  await using temporary = await temporaryFolder();
  const now = new Date("2026-03-01T12:00:00Z");
  await generateTestCertificates(pathToFileURL(temporary.path), { now });
  const read = async (name: string) => parseCertificate(await readFile(join(temporary.path, name), "utf8"));
  const [ca, server, client] = [await read("ca.pem"), await read("server.pem"), await read("client.pem")];
  equal(ca.subject.toString(), "CN=Haystack Test CA");
  equal(server.subject.toString(), "CN=Haystack Test Server");
  equal(client.subject.toString(), "CN=Haystack Test Client");
  ok(ca.isCa && ca.keyUsage?.has("keyCertSign") && ca.basicConstraints?.pathLength === 0);
  deepEqual(server.extendedKeyUsage, ["1.3.6.1.5.5.7.3.1"]);
  deepEqual(client.extendedKeyUsage, ["1.3.6.1.5.5.7.3.2"]);
  for (const certificate of [ca, server, client]) {
    equal(certificate.signatureAlgorithm.id, "1.2.840.10045.4.3.2");
    equal(new X509Certificate(certificate.der).publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    equal(certificate.notBefore.toISOString(), "2026-03-01T11:55:00.000Z");
    equal(certificate.notAfter.toISOString(), "2027-03-01T12:00:00.000Z");
  }
  for (const certificate of [server, client]) {
    ok(!certificate.isCa && certificate.keyUsage?.has("digitalSignature"));
    deepEqual(peerSubjectAltNameValues(certificate.der), ["localhost", "127.0.0.1", "::1"]);
  }
});

Deno.test("generateTestCertificates() makes keys their owner alone can read, whatever was there before", async () => {
  await using temporary = await temporaryFolder();
  const key = join(temporary.path, "server.key");
  await writeFile(key, "old");
  await chmod(key, 0o666);
  // In a process of its own, since the mask is the whole process's.
  const script =
    'import { generateTestCertificates } from "@helyos/tls"; await generateTestCertificates(Deno.args[0]);';
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'umask 000; exec "$0" eval --ext=ts --config "$1" "$2" "$3"', Deno.execPath()]
      .concat(new URL("../../../deno.json", import.meta.url).pathname, script, temporary.path),
  }).output();
  ok(success);
  for (const name of ["server.key", "client.key"]) {
    const path = join(temporary.path, name);
    equal((await stat(path)).mode & 0o777, 0o600, name);
    ok((await readFile(path, "utf8")).startsWith("-----BEGIN PRIVATE KEY-----\n"));
  }
  for (const name of ["ca.pem", "server.pem", "client.pem"]) {
    equal((await stat(join(temporary.path, name))).mode & 0o777, 0o644, name);
  }
});

Deno.test("generateTestCertificates() replaces what a first call made", async () => {
  await using temporary = await temporaryFolder();
  const { server } = await generateTestCertificates(temporary.path);
  const before = await readFile(server.certificatePath!, "utf8");
  await generateTestCertificates(temporary.path);
  ok(before !== await readFile(server.certificatePath!, "utf8"));
  deepEqual((await readdir(temporary.path)).sort(), FILES);
  await buildServerTlsOptions(server);
});

Deno.test("generateTestCertificates() refuses a folder that is a file, and a validity that is none", async () => {
  await using temporary = await temporaryFolder();
  const file = join(temporary.path, "file");
  await writeFile(file, "");
  await rejects(generateTestCertificates(file), { code: "EEXIST" });
  for (const validityDays of [0, -1, NaN]) {
    await rejects(generateTestCertificates(temporary.path, { validityDays }), RangeError);
  }
});

Deno.test({
  name: "generateTestCertificates() satisfies openssl's strict verification, each leaf in its own role only",
  ignore: lacking("openssl"),
  async fn() {
    await using temporary = await temporaryFolder();
    await generateTestCertificates(temporary.path);
    const verify = (purpose: string, file: string) =>
      openssl(temporary.path, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", file);
    ok((await verify("sslserver", "server.pem")).includes("OK"));
    ok((await verify("sslclient", "client.pem")).includes("OK"));
    await rejects(verify("sslclient", "server.pem"));
    await rejects(verify("sslserver", "client.pem"));
    await rejects(verify("any", "missing.pem"));
  },
});
