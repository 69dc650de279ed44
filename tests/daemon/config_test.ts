import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { LETS_ENCRYPT, LETS_ENCRYPT_STAGING } from "../../daemon/certificates/settings.ts";
import { type Config, type Environment, readConfig, readLogging } from "../../daemon/config.ts";
import { readAcmeSettings } from "../../daemon/edge.ts";
import { parseCommandLine } from "../../daemon/flags.ts";

function read(args: string[], environment: Environment = { HOME: "/home/op" }): Config {
  const request = parseCommandLine(args);
  if (request.kind !== "run") throw new Error(request.kind);
  return readConfig(request.values, environment, "/cwd");
}

function refused(args: string[], message: string | RegExp, environment?: Environment): void {
  throws(() => read(args, environment), { name: "ConfigError", message });
}

Deno.test("readConfig() refuses plain HTTP off loopback, in the contract's words", () => {
  refused(
    ["--host", "0.0.0.0", "--tls", "off"],
    "refusing to serve a non-loopback address (0.0.0.0) over plain HTTP; " +
      "use --tls on, or pass BOTH --tls off and --insecure-http",
  );
  refused(["--host", "127.0.0.2", "--tls=off"], /refusing to serve a non-loopback address/);
  equal(read(["--host", "0.0.0.0", "--tls", "off", "--insecure-http"]).tls, false);
});

Deno.test("readConfig() refuses values that cannot be", () => {
  refused(["--tls", "maybe"], "invalid --tls value 'maybe' (expected auto|on|off)");
  for (const host of ["http://x", "a b", "x:80", "", "1.2.3", "*.example", "a/b", "-"]) {
    refused([`--host=${host}`], /^invalid --host/);
  }
  refused(["--tls-san", "https://x"], /^invalid --tls-san 'https:\/\/x'/);
  refused(["--advertise-addr", "a,b"], /^invalid --advertise-addr/);
  refused(["--advertise-addr", "*.example.org"], /^invalid --advertise-addr/);
  refused(["--data-dir="], /^--data-dir needs/);
  refused(["--tls-cert", "c", "--tls-key", "k"], /^--tls-cert has no effect: 127\.0\.0\.1 is served over plain HTTP/);
});

Deno.test("readConfig() refuses a token no header can carry, and does not repeat it", () => {
  for (const token of ["", "two words", "ümlaut", "line\nbreak", "a".repeat(1025)]) {
    refused([`--api-token=${token}`], /^invalid API token in --api-token or HELYOS_API_TOKEN: expected 1 to 1024/);
  }
  refused([], /^invalid API token/, { HOME: "/h", HELYOS_API_TOKEN: "two words" });
});

Deno.test("readConfig() serves TLS unless the host is loopback", () => {
  for (const host of ["127.0.0.1", "localhost", "::1", "[::1]"]) equal(read(["--host", host]).tls, false, host);
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "node.example"]) equal(read(["--host", host]).tls, true, host);
  equal(read(["--tls", "on"]).tls, true);
});

Deno.test("readConfig() takes from the launcher how many files may be open, and nothing that is no number", () => {
  equal(read([], { HOME: "/h", HELYOS_OPEN_FILES: "1024" }).edge.openFiles, 1024);
  for (const text of ["unlimited", "0", "-1", "1e9", ""]) {
    equal(read([], { HOME: "/h", HELYOS_OPEN_FILES: text }).edge.openFiles, undefined, text);
  }
});

Deno.test("readConfig() lets flags beat the environment, and the environment the defaults", () => {
  equal(read([]).dataDir, "/home/op/.helyos/data");
  equal(read([], {}).dataDir, "/var/lib/helyos");
  equal(read([], { HOME: "/h", HELYOS_DATA_DIR: "rel" }).dataDir, "/cwd/rel");
  equal(read(["--data-dir", "/flag"], { HELYOS_DATA_DIR: "/env" }).dataDir, "/flag");
  const token = { HOME: "/h", HELYOS_API_TOKEN: "env-token" };
  deepEqual([read([], token).apiToken, read([], token).apiTokenVisible], ["env-token", false]);
  const both = read(["--api-token", "flag-token"], token);
  deepEqual([both.apiToken, both.apiTokenVisible], ["flag-token", true]);
});

Deno.test("readConfig() knows where the first context goes", () => {
  equal(read([]).contextFile, "/home/op/.helyos/config.toml");
  equal(read([], { HELYOS_CONFIG: "c.toml" }).contextFile, "/cwd/c.toml");
  equal(read([], {}).contextFile, undefined);
});

Deno.test("readConfig() spells names as certificates do", () => {
  const config = read([
    "--tls-san",
    "*.Example.ORG",
    "--tls-san",
    "[2001:DB8::0]",
    "--advertise-addr",
    "Bücher.example",
  ]);
  deepEqual(config.tlsSans, ["*.example.org", "2001:db8::"]);
  equal(config.advertiseAddr, "xn--bcher-kva.example");
});

Deno.test("readLogging() falls back to RUST_LOG, of which it takes what it understands", () => {
  const request = parseCommandLine(["--log-format", "json"]);
  if (request.kind !== "run") throw new Error(request.kind);
  const level = (RUST_LOG?: string) => readLogging(request.values, RUST_LOG === undefined ? {} : { RUST_LOG }).level;
  equal(readLogging(request.values, {}).format, "json");
  equal(level(), "info");
  equal(level("DEBUG"), "debug");
  equal(level("hyper=trace,helyosd=warn"), "warn");
  equal(level("nonsense"), "info");
});

Deno.test("readAcmeSettings() reads what the command line says about ACME, and what its files hold", async () => {
  const settings = (...args: string[]) => readAcmeSettings(read(args).edge);
  deepEqual(await settings(), { directory: LETS_ENCRYPT, staging: LETS_ENCRYPT_STAGING });
  deepEqual(await settings("--acme-directory", "https://ca.example/dir"), { directory: "https://ca.example/dir" });
  const hmacFile = await Deno.makeTempFile();
  try {
    for (const hmacKey of ["AbCd-_0123456789AbCd", "AbCd+/0123456789AbCd=="]) {
      await Deno.writeTextFile(hmacFile, `${hmacKey}\n`);
      const given = await settings(
        ...["--acme-directory", "https://ca.example/dir", "--acme-staging-directory", "https://try.example/dir"],
        ...["--acme-fallback-directory", "https://other.example/dir", "--acme-profile", "shortlived"],
        ...["--acme-key-type", "ec-p384", "--acme-preferred-chain", " ISRG Root X1 "],
        ...["--acme-eab-kid", "kid", "--acme-eab-hmac-file", hmacFile],
      );
      deepEqual(given, {
        directory: "https://ca.example/dir",
        staging: "https://try.example/dir",
        fallback: "https://other.example/dir",
        profile: "shortlived",
        keyType: "ec-p384",
        preferredChain: "ISRG Root X1",
        externalAccount: { keyId: "kid", hmacKey },
      });
    }
    for (const text of ["", "short", "AbCd-_0123456789A", "AbCd-_0123456789 AbCd", "AbCd-_0123456789AbCd===="]) {
      await Deno.writeTextFile(hmacFile, text);
      const refused = () => settings("--acme-eab-kid", "kid", "--acme-eab-hmac-file", hmacFile);
      await rejects(refused, { name: "ConfigError", message: /holds no key in base64url/ }, text);
    }
  } finally {
    await Deno.remove(hmacFile);
  }
});
