/**
 * Certification requests (PKCS#10, RFC 2986): made, read, verified.
 *
 * @module
 */
import { type AlgorithmIdentifier, algorithmOf, type PublicKeyInfo, publicKeyOf } from "./certificate.ts";
import { type BitString, bitStringOf, countOf, DerReader, oidOf, readWhole, Tag } from "./der.ts";
import { type Name, nameOf } from "./distinguished_name.ts";
import { constructed, integer, objectIdentifier, sequence, setOf } from "./encode.ts";
import { PkiError } from "./errors.ts";
import { alternativeNamesOf, type Extension, extensionsOf } from "./extension.ts";
import type { GeneralName } from "./general_name.ts";
import { type KeyPair, provePair } from "./key.ts";
import { ExtensionId } from "./oid.ts";
import { pemDecode, pemEncode } from "./pem.ts";
import { toPublicKey } from "./public_key.ts";
import { signed, signerOf } from "./sign.ts";
import { canonicalCommonName, judgeNames, nameWithCommonName, type SubjectNames } from "./subject.ts";
import { verifySignature } from "./verify/signature.ts";
import { subjectAltName } from "./write_extension.ts";

/** Options of {@linkcode createRequest}. */
export interface RequestOptions {
  /** The key that asks to be certified; it signs the request. */
  readonly key: KeyPair;
  /** What the subject is to be called; at most 64 characters. Left empty when absent. */
  readonly commonName?: string;
  /** The names asked for. */
  readonly names?: SubjectNames;
}

/** A request, read. What it asks for is a wish: who signs decides. */
export interface CertificateRequest {
  /** The whole request. */
  readonly der: Uint8Array;
  /** The part that is signed. */
  readonly tbs: Uint8Array;
  /** What the subject is to be called. */
  readonly subject: Name;
  /** The SubjectPublicKeyInfo in DER, as `issueCertificate` takes it. */
  readonly spki: Uint8Array;
  /** The public key, taken apart. */
  readonly publicKey: PublicKeyInfo;
  /** Every extension asked for, in order. */
  readonly extensions: readonly Extension[];
  /** The names asked for, of every kind. Unescaped: they may hold anything. */
  readonly requestedNames: readonly GeneralName[];
  /** Those of the names that `issueCertificate` takes, and judges. */
  readonly names: SubjectNames;
  /** The algorithm of the signature. */
  readonly signatureAlgorithm: AlgorithmIdentifier;
  /** The signature. */
  readonly signature: BitString;
}

/** extensionRequest (RFC 2985 §5.4.2). */
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

/**
 * Makes a request, signed by the key that it speaks of.
 *
 * @example A key that never leaves its machine
 * ```ts
 * import { createRequest, generateKeyPair, parseRequest, verifyRequest } from "@helyos/pki";
 * import { deepEqual, equal } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const { pem } = await createRequest({ key, commonName: "db.internal", names: { dns: ["db.internal"] } });
 *
 * const request = parseRequest(pem);
 * equal(await verifyRequest(request), true);
 * deepEqual(request.names, { dns: ["db.internal"] });
 * ```
 * @param options Who asks for what.
 * @returns The request.
 * @throws {PkiError} `invalid_name`; `key_mismatch` if the key pair is none; `invalid_key` or `unsupported_key` for a key that must not
 *   be certified.
 */
export async function createRequest(options: RequestOptions): Promise<{ pem: string; der: Uint8Array }> {
  const { key } = options;
  const subject = options.commonName === undefined
    ? sequence()
    : nameWithCommonName(canonicalCommonName(options.commonName, { host: false }));
  const names = judgeNames(options.names ?? {}, { wildcard: true });
  const publicKey = await provePair(key);
  const attributes = names.length === 0
    ? []
    : [sequence(objectIdentifier(EXTENSION_REQUEST), setOf(sequence(subjectAltName(names))))];
  const tbs = sequence(integer(0), subject, publicKey.spki, constructed(0, ...attributes));
  const der = await signed(signerOf(key), tbs);
  return { pem: pemEncode("CERTIFICATE REQUEST", der), der };
}

/**
 * Reads a request. The signature is not looked at: that is what {@linkcode verifyRequest} does.
 *
 * @example
 * ```ts
 * import { parseRequest } from "@helyos/pki";
 * import { throws } from "node:assert/strict";
 *
 * throws(() => parseRequest("junk"), { code: "invalid_pem" });
 * ```
 * @param input DER, or PEM text with exactly one request.
 * @returns The request.
 * @throws {PkiError} `invalid_pem`, `invalid_der` or `invalid_request`.
 * @throws {TypeError} If `input` is neither text nor octets.
 */
export function parseRequest(input: string | Uint8Array): CertificateRequest {
  if (typeof input !== "string" && !(input instanceof Uint8Array)) {
    throw new TypeError("A request is DER in a Uint8Array, or PEM in a string");
  }
  // What is verified must be what is signed later: the caller's bytes may change, ours do not.
  const der = typeof input === "string" ? fromPem(input) : input.slice();
  const outer = readWhole(der, Tag.SEQUENCE, "a request");
  const tbs = outer.read(Tag.SEQUENCE, "a request");
  const signatureAlgorithm = algorithmOf(outer, "the signature algorithm of a request");
  const signature = bitStringOf(outer.read(Tag.BIT_STRING, "the signature of a request"), "the signature of a request");
  outer.end("a request");

  const inside = new DerReader(tbs.content);
  const version = countOf(inside.read(Tag.INTEGER, "the version of a request"), "the version of a request");
  if (version !== 0) throw new PkiError("invalid_request", `Cannot read a request of version ${version}`);
  const subject = nameOf(inside.read(Tag.SEQUENCE, "the subject of a request"), "the subject of a request");
  const publicKey = publicKeyOf(inside);
  const extensions = requestedExtensions(inside.enter(0xa0, "the attributes of a request"));
  inside.end("a request");

  const wanted = extensions.find(({ id }) => id === ExtensionId.subjectAltName);
  const requestedNames = wanted === undefined ? [] : alternativeNamesOf(wanted.value, "subjectAltName");
  return {
    der,
    tbs: tbs.encoding,
    subject,
    spki: publicKey.der,
    publicKey,
    extensions,
    requestedNames,
    names: namesOf(requestedNames),
    signatureAlgorithm,
    signature,
  };
}

/**
 * Verifies that whoever made a request has the key it speaks of.
 *
 * That is all it proves: not who that is, not that the names are theirs, and not that the request is new.
 *
 * @example A request whose names were changed on the way
 * ```ts
 * import { createRequest, generateKeyPair, parseRequest, verifyRequest } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * const { der } = await createRequest({ key: await generateKeyPair(), commonName: "db.internal" });
 * const at = new TextDecoder("latin1").decode(der).indexOf("db.internal");
 * der[at] = "x".charCodeAt(0);
 * equal(await verifyRequest(parseRequest(der)), false);
 * ```
 * @param request The request.
 * @returns Whether its signature is that of its key, and the key is one that may be certified.
 */
export async function verifyRequest(request: CertificateRequest): Promise<boolean> {
  try {
    await toPublicKey(request.spki);
  } catch (error) {
    // A key that we would not certify signs nothing that counts.
    if (error instanceof PkiError) return false;
    throw error;
  }
  const { tbs: data, signatureAlgorithm: algorithm, signature } = request;
  return await verifySignature(request.publicKey, { data, algorithm, signature }) === "good";
}

function fromPem(text: string): Uint8Array {
  // RFC 7468 §7: parsers may take the old label for the same.
  const [block, ...more] = pemDecode(text);
  if (block === undefined || more.length > 0 || !/^(NEW )?CERTIFICATE REQUEST$/.test(block.label)) {
    throw new PkiError("invalid_pem", "Cannot read PEM: expected exactly one CERTIFICATE REQUEST");
  }
  return block.der;
}

function requestedExtensions(attributes: DerReader): Extension[] {
  let extensions: Extension[] | undefined;
  while (!attributes.done) {
    const attribute = attributes.enter(Tag.SEQUENCE, "an attribute of a request");
    const type = oidOf(attribute.read(Tag.OID, "an attribute of a request"), "an attribute of a request");
    const values = attribute.enter(Tag.SET, "the values of an attribute");
    attribute.end("an attribute of a request");
    if (type !== EXTENSION_REQUEST) continue;
    // RFC 2985 §5.4.2: SINGLE VALUE TRUE. With two, one reader would see other names than the next.
    if (extensions !== undefined) throw new PkiError("invalid_request", "A request asks for extensions twice");
    extensions = extensionsOf(values.read(Tag.SEQUENCE, "requested extensions").content, "requested extensions");
    if (!values.done) throw new PkiError("invalid_request", "A request asks for extensions twice");
    if (new Set(extensions.map(({ id }) => id)).size !== extensions.length) {
      throw new PkiError("invalid_request", "A request asks for the same extension twice");
    }
  }
  return extensions ?? [];
}

function namesOf(names: readonly GeneralName[]): SubjectNames {
  const of = (kind: GeneralName["kind"]) => names.filter((name) => name.kind === kind).map(({ value }) => value);
  const found = { dns: of("dns"), ip: of("ip"), uri: of("uri"), email: of("email") };
  return Object.fromEntries(Object.entries(found).filter(([, values]) => values.length > 0));
}
