import { deepEqual, equal, notEqual, ok, throws } from "node:assert/strict";
import { inspect } from "node:util";
import { TlsConfig } from "@helyos/tls";

const SECRET = "hunter2-passphrase";
const full = () =>
  new TlsConfig({
    certificatePath: "cert.pem",
    privateKeyPath: "/secret/place/key.pem",
    caCertificatesPath: "ca.pem",
    keyPassword: SECRET,
  });

Deno.test("TlsConfig refuses a misspelt field, which could switch mutual TLS off", () => {
  throws(() => new TlsConfig({ caCertificatePath: "ca.pem" } as never), {
    name: "TypeError",
    message: /caCertificatePath/,
  });
});

Deno.test("TlsConfig refuses values of the wrong type without showing them", () => {
  throws(() => new TlsConfig({ certificatePath: 1 as never }), TypeError);
  throws(() => new TlsConfig({ caCertificatesPath: ["a", 1 as never] }), TypeError);
  throws(
    () => new TlsConfig({ keyPassword: { secret: SECRET } as never }),
    (error: Error) => !error.message.includes(SECRET),
  );
  throws(() => new TlsConfig({ minVersion: "TLSv1.1" as never }), RangeError);
});

Deno.test("TlsConfig shows neither key path nor passphrase in any text form", () => {
  const config = full();
  const shown = [
    `${config}`,
    JSON.stringify(config),
    JSON.stringify({ nested: [config] }),
    inspect(config),
    inspect({ nested: config }, { depth: 5, showHidden: true }),
    Deno.inspect(config),
    Deno.inspect({ nested: config }, { showHidden: true, depth: 5 }),
    String((config as unknown as Record<symbol, () => string>)[Symbol.for("Deno.customInspect")]!()),
  ];
  for (const text of shown) {
    ok(!text.includes(SECRET), text);
    ok(!text.includes("/secret/place"), text);
    ok(text.includes("<REDACTED>"), text);
    ok(text.includes("cert.pem") && text.includes("ca.pem"), text);
  }
});

Deno.test("TlsConfig shows an absent or empty secret as none", () => {
  deepEqual(new TlsConfig({ keyPassword: "" }).toJSON(), {
    certificatePath: null,
    privateKeyPath: null,
    caCertificatesPath: null,
    keyPassword: null,
    revocationListsPath: null,
    minVersion: "TLSv1.3",
  });
});

Deno.test("TlsConfig cannot be changed, nor the values that went into it", () => {
  const paths = ["a.pem"];
  const bytes = new TextEncoder().encode("abc");
  const config = new TlsConfig({ caCertificatesPath: paths, keyPassword: bytes });
  throws(() => (config as { minVersion: string }).minVersion = "TLSv1.2", TypeError);
  throws(() => (config.caCertificatesPath as string[]).push("b.pem"), TypeError);
  paths.push("b.pem");
  bytes[0] = 0;
  (config.keyPassword as Uint8Array)[0] = 0;
  deepEqual(config.caCertificatesPath, ["a.pem"]);
  deepEqual(config.keyPassword, new TextEncoder().encode("abc"));
});

Deno.test("TlsConfig.with() changes a copy and keeps the passphrase", () => {
  const config = full();
  const changed = config.with({ minVersion: "TLSv1.2", caCertificatesPath: undefined });
  equal(changed.keyPassword, SECRET);
  equal(changed.minVersion, "TLSv1.2");
  equal(changed.caCertificatesPath, undefined);
  equal(config.minVersion, "TLSv1.3");
});

Deno.test("TlsConfig.equals() compares by value", () => {
  ok(full().equals(full()));
  ok(!full().equals(full().with({ keyPassword: "other" })));
  ok(!full().equals(full().with({ minVersion: "TLSv1.2" })));
  ok(full().equals(full().with({ keyPassword: new TextEncoder().encode(SECRET) })));
  notEqual(full(), full());
});
