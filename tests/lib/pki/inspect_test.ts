import { deepEqual, equal, throws } from "node:assert/strict";
import { extension, objectIdentifier, sequence, tlv } from "../../../lib/pki/encode.ts";
import { holdsKey, inspect } from "../../../lib/pki/inspect.ts";
import { createRootCa } from "../../../lib/pki/issue.ts";
import { generateKeyPair } from "../../../lib/pki/key.ts";
import { PurposeId } from "../../../lib/pki/oid.ts";
import { certificate, generalName, testKey } from "../../support/pki_builder.ts";

Deno.test("inspect() tells everything, in a form that JSON can hold", () => {
  const key = testKey("p256");
  const access = (method: string, uri: string): Uint8Array =>
    sequence(objectIdentifier(method), generalName(`uri:${uri}`));
  const der = certificate({
    subject: [["2.5.4.6", "DE"], ["2.5.4.10", "Helyos, Inc."], ["2.5.4.3", "db"]],
    issuer: "CA",
    key,
    serial: 0xff,
    ca: true,
    pathLength: 0,
    usage: ["keyCertSign"],
    purposes: [PurposeId.serverAuth, "1.2.3.4"],
    names: ["dns:db", "ip:2001:db8:0:0:0:0:0:1", "uri:spiffe://a/b", "dir:x"],
    permitted: ["dns:internal", "ip:10.0.0.0/8"],
    policies: ["1.2.3", "2.5.29.32.0"],
    crlUris: ["http://crl/"],
    extensions: [
      extension(
        "1.3.6.1.5.5.7.1.1",
        sequence(access("1.3.6.1.5.5.7.48.1", "http://ocsp/"), access("1.3.6.1.5.5.7.48.2", "http://ca/")),
      ),
      extension("1.2.3.4", tlv(5), true),
    ],
  });
  const { fingerprints, subjectKeyIdentifier, ...details } = JSON.parse(JSON.stringify(inspect(der)));
  equal(fingerprints.sha256.length, 95);
  equal(subjectKeyIdentifier.length, 40);
  deepEqual(details, {
    subject: "CN=db,O=Helyos\\, Inc.,C=DE",
    issuer: "CN=CA",
    commonName: "db",
    version: 3,
    serial: "ff",
    notBefore: "2026-01-01T00:00:00.000Z",
    notAfter: "2027-01-01T00:00:00.000Z",
    lifetimeSeconds: 31_536_001,
    key: { algorithm: "EC P-256", weakness: null },
    signatureAlgorithm: "ecdsaWithSha256",
    isCa: true,
    pathLength: 0,
    isSelfIssued: false,
    keyUsage: ["keyCertSign"],
    extendedKeyUsage: ["serverAuth", "1.2.3.4"],
    names: [
      { kind: "dns", value: "db" },
      { kind: "ip", value: "2001:db8::1" },
      { kind: "uri", value: "spiffe://a/b" },
      { kind: "directory", value: "CN=x" },
    ],
    nameConstraints: {
      permitted: [{ kind: "dns", value: "internal" }, { kind: "ip", value: "10.0.0.0/255.0.0.0" }],
      excluded: [],
    },
    policies: ["1.2.3", "anyPolicy"],
    authorityKeyIdentifier: details.authorityKeyIdentifier,
    crlUrls: ["http://crl/"],
    ocspUrls: ["http://ocsp/"],
    issuerUrls: ["http://ca/"],
    extensions: [
      { id: "2.5.29.19", name: "basicConstraints", critical: true },
      { id: "2.5.29.15", name: "keyUsage", critical: true },
      { id: "2.5.29.37", name: "extendedKeyUsage", critical: false },
      { id: "2.5.29.17", name: "subjectAltName", critical: false },
      { id: "2.5.29.30", name: "nameConstraints", critical: true },
      { id: "2.5.29.32", name: "certificatePolicies", critical: false },
      { id: "2.5.29.31", name: "crlDistributionPoints", critical: false },
      { id: "2.5.29.14", name: "subjectKeyIdentifier", critical: false },
      { id: "2.5.29.35", name: "authorityKeyIdentifier", critical: false },
      { id: "1.3.6.1.5.5.7.1.1", name: "authorityInfoAccess", critical: false },
      { id: "1.2.3.4", name: "1.2.3.4", critical: true },
    ],
  });
});

Deno.test("inspect() tells a weak key, and refuses what it cannot read", () => {
  const key = testKey("rsa", { modulusLength: 1024 });
  deepEqual(inspect(certificate({ key, version: 0 })).key, {
    algorithm: "rsaEncryption",
    weakness: "an RSA key of 1024 bits is too small",
  });
  throws(() => inspect(new Uint8Array([0x30])), { code: "invalid_der" });
});

Deno.test("holdsKey() tells a pair that does not belong together", async () => {
  const key = await generateKeyPair();
  const { pem } = await createRootCa({ commonName: "Example CA", key });
  equal(await holdsKey(pem, (await generateKeyPair()).publicKey), false);
  equal(await holdsKey(pem, key.publicKey), true);
});
