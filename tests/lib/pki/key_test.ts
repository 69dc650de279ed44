import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  type KeyAlgorithm,
  pemDecode,
  pemEncode,
} from "@helyos/pki";
import {
  bitString,
  constructed,
  integer,
  NULL,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
} from "../../../lib/pki/encode.ts";
import { lacking, tool } from "../../support/tools.ts";

/** What OpenSSL writes on standard output. */
function openssl(args: readonly string[], input?: string): string {
  return execFileSync("openssl", args, { input: input ?? "", encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
}

const ALGORITHMS: readonly KeyAlgorithm[] = ["ec-p256", "ec-p384", "ed25519", "rsa-2048"];

Deno.test("importPrivateKey() refuses what is not PEM", async () => {
  for (
    const text of [
      "",
      "junk",
      "-----BEGIN PRIVATE KEY-----\n",
      "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
    ]
  ) {
    await rejects(() => importPrivateKey(text), { name: "PkiError", code: "invalid_pem" });
  }
  await rejects(() => importPrivateKey(pemEncode("CERTIFICATE", new Uint8Array(9))), { code: "invalid_pem" });
});

Deno.test("importPrivateKey() refuses two keys in one text", async () => {
  const pem = await exportPrivateKey(await generateKeyPair());
  await rejects(() => importPrivateKey(pem + pem), { code: "invalid_pem" });
});

Deno.test("importPrivateKey() refuses what is PEM and not a key", async () => {
  await rejects(() => importPrivateKey(pemEncode("PRIVATE KEY", new Uint8Array([0x30, 0]))), { code: "invalid_der" });
  await rejects(() => importPrivateKey(pemEncode("EC PRIVATE KEY", new Uint8Array([1, 2, 3]))), {
    code: "invalid_der",
  });
  await rejects(() => importPrivateKey(pemEncode("OPENSSH PRIVATE KEY", new Uint8Array(9))), {
    code: "unsupported_key",
  });
});

Deno.test("importPrivateKey() refuses kinds of keys it does not work with", async () => {
  const unsupported = [
    ["genpkey", "-algorithm", "X25519"],
    ["genpkey", "-algorithm", "ED448"],
    ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp521r1"],
    ["ecparam", "-name", "secp256k1", "-genkey", "-noout"],
    ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit"],
  ];
  for (const args of unsupported) {
    await rejects(() => importPrivateKey(openssl(args)), { code: "unsupported_key" }, args.join(" "));
  }
});

Deno.test("importPrivateKey() refuses an RSA key that is too small", async () => {
  await rejects(() => importPrivateKey(openssl(["genrsa", "1024"])), { code: "invalid_key", message: /1024 bits/ });
});

Deno.test("importPrivateKey() refuses an EC key that states somebody else's public half", async () => {
  const [one, other] = await Promise.all([generateKeyPair(), generateKeyPair()]);
  const der = pemDecode(await exportPrivateKey(one))[0]!.der;
  const foreign = pemDecode(await exportPrivateKey(other))[0]!.der;
  const mixed = Uint8Array.from([...der.subarray(0, -65), ...foreign.subarray(-65)]);
  await rejects(() => importPrivateKey(pemEncode("PRIVATE KEY", mixed)), { code: "invalid_key" });
});

Deno.test("importPrivateKey() refuses an EC key whose number is zero or too large", async () => {
  for (const byte of [0, 0xff]) {
    const key = sequence(integer(1), octetString(new Uint8Array(32).fill(byte)));
    const der = sequence(
      integer(0),
      sequence(objectIdentifier("1.2.840.10045.2.1"), objectIdentifier("1.2.840.10045.3.1.7")),
      octetString(key),
    );
    await rejects(() => importPrivateKey(pemEncode("PRIVATE KEY", der)), { code: "invalid_key" });
  }
});

Deno.test("importPrivateKey() refuses an EC key that names two curves", async () => {
  const key = sequence(
    integer(1),
    octetString(new Uint8Array(32).fill(1)),
    constructed(0, objectIdentifier("1.3.132.0.34")),
  );
  const der = sequence(
    integer(0),
    sequence(objectIdentifier("1.2.840.10045.2.1"), objectIdentifier("1.2.840.10045.3.1.7")),
    octetString(key),
  );
  await rejects(() => importPrivateKey(pemEncode("PRIVATE KEY", der)), { code: "invalid_key" });
});

Deno.test("importPrivateKey() refuses an RSA key whose primes are not its own", async () => {
  const der = pemDecode(openssl(["genrsa", "-traditional", "2048"]))[0]!.der;
  der[der.length - 40]! ^= 1;
  der[der.length - 300]! ^= 1;
  await rejects(() => importPrivateKey(pemEncode("RSA PRIVATE KEY", der)), { code: "invalid_key" });
});

Deno.test("importPrivateKey() tells a missing passphrase from a wrong one", async () => {
  const pem = await exportPrivateKey(await generateKeyPair(), { passphrase: "correct horse" });
  await rejects(() => importPrivateKey(pem), { code: "passphrase_required" });
  await rejects(() => importPrivateKey(pem, { passphrase: "battery staple" }), { code: "wrong_passphrase" });
  await rejects(() => importPrivateKey(pem, { passphrase: "" }), { code: "wrong_passphrase" });
  equal((await importPrivateKey(pem, { passphrase: "correct horse" })).algorithm, "ec-p256");
});

Deno.test("importPrivateKey() calls every wrong passphrase wrong, even when the padding happens to be sound", async () => {
  const clear = await exportPrivateKey(await generateKeyPair());
  const pem = openssl(["pkcs8", "-topk8", "-iter", "1", "-passout", "pass:right"], clear);
  for (let i = 0; i < 600; i++) {
    await rejects(() => importPrivateKey(pem, { passphrase: `wrong ${i}` }), { code: "wrong_passphrase" });
  }
});

Deno.test("importPrivateKey() refuses a key derivation that would take minutes or the memory", async () => {
  const sealed = (kdf: string, ...parameters: readonly Uint8Array[]) => {
    const derivation = sequence(objectIdentifier(kdf), sequence(octetString(new Uint8Array(8)), ...parameters));
    const aes = sequence(objectIdentifier("2.16.840.1.101.3.4.1.42"), octetString(new Uint8Array(16)));
    const scheme = sequence(objectIdentifier("1.2.840.113549.1.5.13"), sequence(derivation, aes));
    return pemEncode("ENCRYPTED PRIVATE KEY", sequence(scheme, octetString(new Uint8Array(144))));
  };
  const hmac = sequence(objectIdentifier("1.2.840.113549.2.9"), NULL);
  for (const rounds of [0, 10_000_001, 2 ** 31 - 1, 2n ** 64n]) {
    const pem = sealed("1.2.840.113549.1.5.12", integer(rounds), hmac);
    await rejects(() => importPrivateKey(pem, { passphrase: "x" }), { code: "unsupported_key" }, `${rounds} rounds`);
  }
  const costs = [[2 ** 19, 8, 1], [2 ** 18, 8, 16], [2, 1, 2 ** 30], [16, 2 ** 17, 5], [1000, 8, 1], [
    16384,
    0,
    1,
  ]];
  for (const cost of costs) {
    const pem = sealed("1.3.6.1.4.1.11591.4.11", ...cost.map(integer));
    await rejects(() => importPrivateKey(pem, { passphrase: "x" }), { code: "unsupported_key" }, `${cost}`);
  }
});

Deno.test("importPrivateKey() survives a key cut short or with a byte flipped", async () => {
  for (const algorithm of ALGORITHMS) {
    const pair = await generateKeyPair(algorithm);
    const der = pemDecode(await exportPrivateKey(pair))[0]!.der;
    const step = algorithm === "rsa-2048" ? 41 : 7;
    for (let at = 0; at < der.length; at += step) {
      for (const bytes of [der.slice(0, at), der.with(at, der[at]! ^ 0x40)]) {
        const imported = await importPrivateKey(pemEncode("PRIVATE KEY", bytes.length ? bytes : new Uint8Array([0])))
          .catch((error) => error);
        ok(imported.name === "PkiError" || imported.algorithm !== undefined, `${algorithm} at ${at}: ${imported}`);
      }
    }
  }
});

Deno.test("exportPrivateKey() refuses an empty passphrase and a key that is locked in", async () => {
  const pair = await generateKeyPair();
  await rejects(() => exportPrivateKey(pair, { passphrase: "" }), RangeError);
  const locked = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]) as CryptoKeyPair;
  await rejects(() => exportPrivateKey({ algorithm: "ed25519", ...locked }), { code: "invalid_key" });
});

Deno.test("generateKeyPair() refuses a kind that does not exist", async () => {
  for (const name of ["rsa-1024", "rsa-2047", "ec-p521", "toString", ""]) {
    await rejects(() => generateKeyPair(name as KeyAlgorithm), TypeError);
  }
});

for (const algorithm of ALGORITHMS) {
  Deno.test(`exportPrivateKey() writes an ${algorithm} key that OpenSSL reads and we read back`, async () => {
    const pair = await generateKeyPair(algorithm);
    for (const options of [{}, { passphrase: "pässword" }]) {
      const pem = await exportPrivateKey(pair, options);
      openssl(["pkey", "-check", "-noout", "-passin", "pass:pässword"], pem);
      const again = await importPrivateKey(pem, options);
      equal(again.algorithm, algorithm);
      equal(await exportPrivateKey(again), await exportPrivateKey(pair));
      deepEqual(
        await crypto.subtle.exportKey("spki", again.publicKey),
        await crypto.subtle.exportKey("spki", pair.publicKey),
      );
    }
  });
}

Deno.test("importPrivateKey() reads every form OpenSSL writes", async () => {
  const keys = {
    "ec-p256": ["ecparam", "-name", "prime256v1", "-genkey"],
    "ec-p384": ["ecparam", "-name", "secp384r1", "-genkey", "-noout"],
    "rsa-2048": ["genrsa", "-traditional", "2048"],
    "rsa-2560": ["genrsa", "2560"],
    ed25519: ["genpkey", "-algorithm", "ED25519"],
  };
  for (const [algorithm, args] of Object.entries(keys)) {
    const pem = openssl(args);
    const plain = await importPrivateKey(pem);
    equal(plain.algorithm, algorithm);
    const forms = [
      ["pkcs8", "-topk8", "-v2", "aes128", "-v2prf", "hmacWithSHA512"],
      ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"],
      ["pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384"],
      ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512-256"],
      ["pkcs8", "-topk8", "-v2", "des3", "-v2prf", "hmacWithSHA224"],
      ["pkcs8", "-topk8", "-scrypt"],
    ];
    if (algorithm !== "ed25519") {
      const kind = algorithm.startsWith("ec") ? "ec" : "rsa";
      forms.push([kind, "-aes128"], [kind, "-aes192"], [kind, "-aes256"], [kind, "-des3"]);
    }
    for (const form of forms) {
      const traditional = form[0] === "rsa" ? ["-traditional"] : [];
      const sealed = openssl([...form, ...traditional, "-passout", "pass:secret"], pem);
      // Go, and so step, writes the initialization vector in lower case.
      for (const text of [sealed, sealed.replace(/(?<=DEK-Info: .*,)[0-9A-F]+/, (hex) => hex.toLowerCase())]) {
        const again = await importPrivateKey(text, { passphrase: "secret" });
        equal(await exportPrivateKey(again), await exportPrivateKey(plain), form.join(" "));
      }
      await rejects(() => importPrivateKey(sealed), { code: "passphrase_required" });
      await rejects(() => importPrivateKey(sealed, { passphrase: "x" }), { code: "wrong_passphrase" });
    }
  }
});

Deno.test("importPrivateKey() finds the public half of an EC key that does not state it", async () => {
  const pem = openssl(["ec", "-no_public"], openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout"]));
  const pair = await importPrivateKey(pem);
  match(openssl(["pkey", "-check", "-noout"], await exportPrivateKey(pair)), /valid/);
});

Deno.test("importPrivateKey() refuses the weak encryption of PKCS#5 version 1", async () => {
  const clear = await exportPrivateKey(await generateKeyPair());
  const pem = openssl(["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "pass:x"], clear);
  await rejects(() => importPrivateKey(pem, { passphrase: "x" }), { code: "unsupported_key" });
});

/** An `EC PRIVATE KEY` of P-256 with these octets as its number. */
function ecKey(scalar: Uint8Array, point?: Uint8Array): string {
  const curve = constructed(0, objectIdentifier("1.2.840.10045.3.1.7"));
  const half = point === undefined ? [] : [constructed(1, bitString(point))];
  return pemEncode("EC PRIVATE KEY", sequence(integer(1), octetString(scalar), curve, ...half));
}

Deno.test("importPrivateKey() reads an EC key whose number has octets too many or too few", async () => {
  const scalar = new Uint8Array(32).fill(0xa5).with(0, 0);
  const plain = await exportPrivateKey(await importPrivateKey(ecKey(scalar)));
  for (const octets of [scalar.slice(1), Uint8Array.of(0, ...scalar), Uint8Array.of(0, 0, ...scalar)]) {
    equal(await exportPrivateKey(await importPrivateKey(ecKey(octets))), plain, `${octets.length} octets`);
  }
  await rejects(() => importPrivateKey(ecKey(Uint8Array.of(1, ...scalar))), { code: "invalid_key" });
  await rejects(() => importPrivateKey(ecKey(new Uint8Array(0))), { code: "invalid_key" });
});

Deno.test({
  name: "importPrivateKey() reads every key GnuTLS writes",
  ignore: lacking("certtool"),
  async fn() {
    const make = (...args: readonly string[]) =>
      execFileSync(tool("certtool"), ["--generate-privkey", ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    // GnuTLS writes the number of every second key with an octet of zero before it.
    for (let i = 0; i < 8; i++) {
      const pem = make("--key-type=ecdsa", i < 4 ? "--curve=secp256r1" : "--curve=secp384r1");
      const { algorithm } = await importPrivateKey(pem.slice(pem.indexOf("-----BEGIN")));
      equal(algorithm, i < 4 ? "ec-p256" : "ec-p384");
    }
    for (const cipher of ["aes-128", "aes-192", "aes-256", "3des"]) {
      const pem = make("--key-type=ed25519", "--pkcs8", `--pkcs-cipher=${cipher}`, "--password=secret");
      equal((await importPrivateKey(pem, { passphrase: "secret" })).algorithm, "ed25519", cipher);
    }
  },
});

Deno.test("importPrivateKey() takes the short spelling of a key's public half, if it is its own", async () => {
  const { privateKey, publicKey } = await generateKeyPair();
  const jwk = await crypto.subtle.exportKey("jwk", privateKey);
  const scalar = Uint8Array.fromBase64(jwk.d!, { alphabet: "base64url" });
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const sign = 2 + (raw[64]! & 1);
  const pair = await importPrivateKey(ecKey(scalar, Uint8Array.of(sign, ...raw.subarray(1, 33))));
  deepEqual(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)), raw);
  const other = Uint8Array.of(sign ^ 1, ...raw.subarray(1, 33));
  await rejects(() => importPrivateKey(ecKey(scalar, other)), { code: "invalid_key" });
});

Deno.test("importPrivateKey() reads PKCS#8 in DER, encrypted or not", async () => {
  const pair = await generateKeyPair();
  const plain = await exportPrivateKey(pair);
  const sealed = await exportPrivateKey(pair, { passphrase: "secret" });
  equal(await exportPrivateKey(await importPrivateKey(pemDecode(plain)[0]!.der)), plain);
  const { der } = pemDecode(sealed)[0]!;
  equal(await exportPrivateKey(await importPrivateKey(der, { passphrase: "secret" })), plain);
  await rejects(() => importPrivateKey(der), { code: "passphrase_required" });
  await rejects(() => importPrivateKey(der.subarray(1)), { code: "invalid_der" });
  await rejects(() => importPrivateKey(new Uint8Array(0)), { code: "invalid_der" });
  await rejects(() => importPrivateKey(undefined as never), TypeError);
});

Deno.test("importPrivateKey() reads an Ed25519 key that states its public half (RFC 8410, version 2), if it is its own", async () => {
  const pair = await generateKeyPair("ed25519");
  const plain = await exportPrivateKey(pair);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const version1 = pemDecode(plain)[0]!.der;
  const stating = (half: Uint8Array) =>
    sequence(integer(1), version1.subarray(5), primitive(1, Uint8Array.of(0, ...half)));
  equal(await exportPrivateKey(await importPrivateKey(stating(raw))), plain);
  await rejects(() => importPrivateKey(stating(raw.with(7, raw[7]! ^ 1))), { code: "invalid_key" });
});

Deno.test({
  name: "exportPrivateKey() writes what GnuTLS and Node read, encrypted too",
  ignore: lacking("certtool", "node"),
  async fn() {
    const run = (program: string, args: readonly string[], input: string) =>
      execFileSync(tool(program), args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
    const script =
      `const key = require("crypto").createPrivateKey({ key: require("fs").readFileSync(0), passphrase: "secret" });
      process.stdout.write(key.export({ type: "pkcs8", format: "pem" }))`;
    for (const algorithm of ALGORITHMS) {
      const pair = await generateKeyPair(algorithm);
      const plain = await exportPrivateKey(pair);
      const spki = pemEncode("PUBLIC KEY", new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey)));
      for (const pem of [plain, await exportPrivateKey(pair, { passphrase: "secret" })]) {
        const read = run("certtool", ["--pubkey-info", "--load-privkey=/dev/stdin", "--password=secret"], pem);
        equal(read.slice(read.indexOf("-----BEGIN")), spki, algorithm);
        equal(run("node", ["-e", script], pem), plain, algorithm);
      }
    }
  },
});
