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
import { constructed, integer, objectIdentifier, octetString, sequence } from "../../../lib/pki/encode.ts";

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

Deno.test("importPrivateKey() refuses a key derivation that would take minutes", async () => {
  const pem = openssl(
    ["pkcs8", "-topk8", "-iter", "1", "-passout", "pass:x"],
    await exportPrivateKey(await generateKeyPair()),
  );
  const der = pemDecode(pem)[0]!.der;
  const at = der.findIndex((_, i) => der[i] === 2 && der[i + 1] === 1 && der[i + 2] === 1 && der[i + 3] === 0x30);
  // The same structure with an iteration count of 2^31 - 1.
  const parts = (count: Uint8Array) => {
    const salt = der.subarray(at - 10, at);
    const prf = sequence(objectIdentifier("1.2.840.113549.2.9"), new Uint8Array([5, 0]));
    const kdf = sequence(objectIdentifier("1.2.840.113549.1.5.12"), sequence(salt, count, prf));
    const aes = sequence(objectIdentifier("2.16.840.1.101.3.4.1.42"), octetString(new Uint8Array(16)));
    const scheme = sequence(objectIdentifier("1.2.840.113549.1.5.13"), sequence(kdf, aes));
    return pemEncode("ENCRYPTED PRIVATE KEY", sequence(scheme, octetString(new Uint8Array(144))));
  };
  await rejects(() => importPrivateKey(parts(integer(2 ** 31 - 1)), { passphrase: "x" }), { code: "unsupported_key" });
  await rejects(() => importPrivateKey(parts(integer(0)), { passphrase: "x" }), { code: "unsupported_key" });
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
      ["pkcs8", "-topk8", "-v2", "des3"],
      ["pkcs8", "-topk8", "-scrypt"],
    ];
    if (algorithm !== "ed25519") {
      const kind = algorithm.startsWith("ec") ? "ec" : "rsa";
      forms.push([kind, "-aes256"], [kind, "-des3"]);
    }
    for (const form of forms) {
      const traditional = form[0] === "rsa" ? ["-traditional"] : [];
      const sealed = openssl([...form, ...traditional, "-passout", "pass:secret"], pem);
      const again = await importPrivateKey(sealed, { passphrase: "secret" });
      equal(await exportPrivateKey(again), await exportPrivateKey(plain), form.join(" "));
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
