/**
 * The operations of an ACME server (RFC 8555), one method each.
 *
 * @module
 */
import { type KeyPair, parseCertificate, parseCertificates } from "@helyos/pki";
import { AcmeError } from "./errors.ts";
import { base64url, bindExternalAccount, publicJwk, signJws, thumbprint } from "./jws.ts";
import { unlessAborted } from "./patience.ts";
import { problemError, readProblem } from "./problem.ts";
import {
  type Authorization,
  type Challenge,
  type Directory,
  type Identifier,
  type Order,
  readAuthorization,
  readChallenge,
  readDirectory,
  readLocation,
  readOrder,
  readRenewalInfo,
  type RenewalInfo,
} from "./resources.ts";
import { type AcmeResponse, readRetryAfter, Transport } from "./transport.ts";

/** Options of an {@linkcode AcmeClient}. */
export interface AcmeClientOptions {
  /** Address of the directory. */
  readonly directoryUrl: string;
  /** The account's key, EC P-256. Not the key of any certificate. */
  readonly accountKey: KeyPair;
  /** Address of the account, when it is known already. */
  readonly accountUrl?: string;
  /** PEM of the CAs that the ACME server itself is trusted by; the platform's roots when absent. */
  readonly ca?: string | readonly string[];
  /**
   * How long to wait for an answer, in milliseconds.
   * @default {30000}
   */
  readonly timeoutMs?: number;
  /**
   * The time.
   * @default {() => new Date()}
   */
  readonly now?: () => Date;
}

/** What a new account is to be. */
export interface NewAccount {
  /** Contact addresses, such as `ops@example.com`. */
  readonly emails?: readonly string[];
  /** An account made elsewhere that this one is bound to (RFC 8555 §7.3.4). */
  readonly externalAccount?: { readonly keyId: string; readonly hmacKey: string };
}

/** What a new order is to be. */
export interface NewOrder {
  /** The names. */
  readonly identifiers: readonly Identifier[];
  /** The certificate profile. */
  readonly profile?: string;
  /** ARI identifier of the certificate this one replaces, see {@linkcode certificateId}. */
  readonly replaces?: string;
}

/** Options of every request. */
export interface CallOptions {
  /** Gives the request up; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

interface Signing extends CallOptions {
  /** Whether the request names the key itself instead of the account (RFC 8555 §6.2). */
  readonly withKey?: boolean;
  /** Whether 404 means that an order, or a part of it, is gone. */
  readonly ofOrder?: boolean;
}

/** How often a request is sent again because its nonce was refused (RFC 8555 §6.5): a server that refuses half of them still serves. */
const MAX_NONCE_RETRIES = 24;

/**
 * A client of one account at one ACME server. It holds no state but nonces and the account's address, so several may be used
 * for the same account.
 *
 * @example
 * ```ts
 * import { AcmeClient } from "@helyos/acme";
 * import { generateKeyPair } from "@helyos/pki";
 * import { equal } from "node:assert/strict";
 *
 * await using client = new AcmeClient({
 *   directoryUrl: "https://acme-v02.api.letsencrypt.org/directory",
 *   accountKey: await generateKeyPair(),
 * });
 * equal(client.accountUrl, undefined); // client.register({ emails: ["ops@example.com"] }) makes it
 * ```
 */
export class AcmeClient implements AsyncDisposable {
  readonly #options: AcmeClientOptions;
  readonly #transport: Transport;
  readonly #now: () => Date;
  readonly #nonces: string[] = [];
  #accountKey: KeyPair;
  #directory: Promise<Directory> | undefined;
  #accountUrl: string | undefined;

  /**
   * Makes a client; nothing is sent yet.
   *
   * @param options Server, account and trust.
   * @throws {TypeError} If the account's key is not EC P-256.
   */
  constructor(options: AcmeClientOptions) {
    this.#options = options;
    this.#accountKey = accountKeyOf(options.accountKey);
    this.#transport = new Transport({
      timeoutMs: options.timeoutMs ?? 30_000,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    });
    this.#now = options.now ?? (() => new Date());
    this.#accountUrl = options.accountUrl;
  }

  /** The client's clock. */
  now(): Date {
    return this.#now();
  }

  /** Address of the account; undefined before it is known. */
  get accountUrl(): string | undefined {
    return this.#accountUrl;
  }

  /**
   * Where the server's operations are. Asked once, remembered.
   *
   * @param options A signal.
   * @returns The directory.
   * @throws {AcmeError} If the server cannot be reached or is not an ACME server.
   */
  directory(options: CallOptions = {}): Promise<Directory> {
    this.#directory ??= this.#fetchDirectory().catch((error) => {
      this.#directory = undefined;
      throw error;
    });
    return unlessAborted(this.#directory, options.signal);
  }

  /**
   * The CA's clock, from the Date header of its directory.
   *
   * @returns The time there; undefined when the answer does not say.
   * @throws {AcmeError} If the server cannot be reached.
   */
  async serverTime(): Promise<Date | undefined> {
    const { date } = (await this.#get(this.#options.directoryUrl)).headers;
    const time = new Date(date ?? NaN);
    return Number.isNaN(time.getTime()) ? undefined : time;
  }

  async #fetchDirectory(): Promise<Directory> {
    const { directoryUrl } = this.#options;
    const response = await this.#get(directoryUrl);
    if (response.status !== 200) throw this.#refusal("Cannot read the CA's directory", response);
    return readDirectory(this.#json(response), directoryUrl);
  }

  /**
   * Makes the account, or finds it when the key has one, and agrees to the server's terms of service (RFC 8555 §7.3).
   *
   * @param account Contact and binding.
   * @param options A signal.
   * @returns Address of the account.
   * @throws {SyntaxError} If the HMAC key is not base64url.
   * @throws {AcmeError} If the server refuses.
   */
  async register(account: NewAccount = {}, options: CallOptions = {}): Promise<string> {
    const { newAccount, meta } = await this.directory(options);
    if (meta?.externalAccountRequired && !account.externalAccount) {
      throw new AcmeError(
        "account",
        "Cannot make an account: this CA wants one that was made elsewhere, by key id and HMAC key",
      );
    }
    const payload = {
      termsOfServiceAgreed: true,
      ...(account.emails?.length ? { contact: account.emails.map((email) => `mailto:${email}`) } : {}),
      ...(account.externalAccount
        ? {
          externalAccountBinding: await bindExternalAccount(
            this.#accountKey,
            account.externalAccount,
            newAccount,
          ),
        }
        : {}),
    };
    const { headers } = await this.#post("Cannot make an account", newAccount, payload, { ...options, withKey: true });
    return this.#accountUrl = readLocation(headers.location, newAccount);
  }

  /**
   * Changes the account's contact addresses (RFC 8555 §7.3.2).
   *
   * @param emails The new ones.
   * @param options A signal.
   * @throws {AcmeError} If the server refuses.
   */
  async changeContact(emails: readonly string[], options: CallOptions = {}): Promise<void> {
    const contact = emails.map((email) => `mailto:${email}`);
    await this.#post("Cannot change the account", this.#accountUrl ?? "", { contact }, options);
  }

  /**
   * Changes the account's key (RFC 8555 §7.3.5); from then on this client signs with the new one. Save the new key before and forget the
   * old one after: whichever of the two a crash leaves valid is found by `register()`.
   *
   * @param newKey The new key, EC P-256.
   * @param options A signal.
   * @throws {TypeError} If the new key is not EC P-256.
   * @throws {AcmeError} If the server refuses, or offers no change of keys (`unsupported`).
   */
  async changeKey(newKey: KeyPair, options: CallOptions = {}): Promise<void> {
    accountKeyOf(newKey);
    const { keyChange } = await this.directory(options);
    if (!keyChange) throw new AcmeError("unsupported", "Cannot change the account's key: this CA does not offer it");
    const payload = { account: this.#accountUrl, oldKey: await publicJwk(this.#accountKey) };
    const inner = await signJws(newKey, { jwk: await publicJwk(newKey), url: keyChange }, payload);
    await this.#post("Cannot change the account's key", keyChange, JSON.parse(inner), options);
    this.#accountKey = newKey;
  }

  /**
   * Ends the account (RFC 8555 §7.3.6). It cannot be had again; certificates stay valid.
   *
   * @param options A signal.
   * @throws {AcmeError} If the server refuses.
   */
  async deactivate(options: CallOptions = {}): Promise<void> {
    await this.#post("Cannot end the account", this.#accountUrl ?? "", { status: "deactivated" }, options);
  }

  /**
   * Places an order (RFC 8555 §7.4).
   *
   * @param order Names, profile, and what it replaces.
   * @param options A signal.
   * @returns The order.
   * @throws {AcmeError} If the server refuses: see the codes.
   */
  async newOrder(order: NewOrder, options: CallOptions = {}): Promise<Order> {
    const { newOrder } = await this.directory(options);
    const names = order.identifiers.map((one) => one.value).join(", ");
    const response = await this.#post(`Cannot order a certificate for ${names}`, newOrder, order, options);
    return this.#order(readLocation(response.headers.location, newOrder), response);
  }

  /**
   * Looks at an order.
   *
   * @param url Its address.
   * @param options A signal.
   * @returns The order as it is now.
   * @throws {AcmeError} With code `order_lost` if it is not there any more.
   */
  async order(url: string, options: CallOptions = {}): Promise<Order> {
    return this.#order(url, await this.#look("Cannot look at the order", url, options));
  }

  /**
   * Looks at what must be proven about one name.
   *
   * @param url Its address.
   * @param options A signal.
   * @returns The authorization as it is now.
   * @throws {AcmeError} If the server refuses.
   */
  async authorization(url: string, options: CallOptions = {}): Promise<Authorization> {
    return readAuthorization(this.#json(await this.#look("Cannot look at the authorization", url, options)));
  }

  /**
   * Says that the answer to a challenge is in place (RFC 8555 §7.5.1).
   *
   * @param url The challenge's address.
   * @param options A signal.
   * @throws {AcmeError} If the server refuses.
   */
  async respond(url: string, options: CallOptions = {}): Promise<void> {
    await this.#post("Cannot answer the challenge", url, {}, { ...options, ofOrder: true });
  }

  /**
   * Looks at a challenge.
   *
   * @param url Its address.
   * @param options A signal.
   * @returns The challenge as it is now.
   * @throws {AcmeError} If the server refuses.
   */
  async challenge(url: string, options: CallOptions = {}): Promise<Challenge> {
    const response = await this.#look("Cannot look at the challenge", url, options);
    return { ...readChallenge(this.#json(response)), ...this.#pace(response) };
  }

  /**
   * What the answer to a challenge is made of: its token and the account's thumbprint (RFC 8555 §8.1).
   *
   * @param token The challenge's token.
   * @returns The key authorization.
   */
  async keyAuthorization(token: string): Promise<string> {
    return `${token}.${await thumbprint(this.#accountKey)}`;
  }

  /**
   * Asks for the certificate of an order whose names are all proven (RFC 8555 §7.4).
   *
   * @param order The order.
   * @param csr The request, DER.
   * @param options A signal.
   * @returns The order as it is then.
   * @throws {AcmeError} If the server refuses the request.
   */
  async finalize(order: Order, csr: Uint8Array, options: CallOptions = {}): Promise<Order> {
    const payload = { csr: base64url(csr) };
    const response = await this.#post("Cannot finalize the order", order.finalize, payload, {
      ...options,
      ofOrder: true,
    });
    return this.#order(order.url, response);
  }

  /**
   * Fetches a certificate and what leads from it to a root (RFC 8555 §7.4.2).
   *
   * @param url Its address.
   * @param options A signal; with `preferredIssuer`, a chain whose topmost certificate was issued by that common name is chosen among the
   * alternates; the default chain when none was.
   * @returns PEM, the leaf first.
   * @throws {AcmeError} If the server refuses, or what it sends is no chain.
   */
  async certificate(
    url: string,
    options: CallOptions & { readonly preferredIssuer?: string } = {},
  ): Promise<string> {
    const response = await this.#look("Cannot fetch the certificate", url, options);
    const chain = readChain(response);
    const wanted = options.preferredIssuer;
    if (wanted === undefined || chain.topIssuer === wanted) return chain.pem;
    for (const alternate of alternates(response, url)) {
      try {
        const other = readChain(await this.#look("Cannot fetch the alternate chain", alternate, options));
        if (other.topIssuer === wanted) return other.pem;
      } catch (error) {
        // The certificate is there with its default chain, which is better than none.
        if (!(error instanceof AcmeError)) throw error;
      }
    }
    return chain.pem;
  }

  /**
   * Revokes a certificate of this account (RFC 8555 §7.6).
   *
   * @param certificate DER of the certificate.
   * @param reason The code of RFC 5280 §5.3.1, for example 1 for a stolen key.
   * @param options A signal.
   * @throws {AcmeError} If the server refuses.
   */
  async revoke(certificate: Uint8Array, reason = 0, options: CallOptions = {}): Promise<void> {
    const { revokeCert } = await this.directory(options);
    const payload = { certificate: base64url(certificate), reason };
    await this.#post("Cannot revoke the certificate", revokeCert, payload, options);
  }

  /**
   * Asks when the CA would like a certificate to be renewed (RFC 9773 §4).
   *
   * @param certificate PEM of the certificate, or of the chain that starts with it; or DER.
   * @param options A signal.
   * @returns The window; undefined when the server offers no renewal information.
   * @throws {AcmeError} If the server refuses or its answer makes no sense.
   */
  async renewalInfo(
    certificate: string | Uint8Array,
    options: CallOptions = {},
  ): Promise<RenewalInfo | undefined> {
    const { renewalInfo } = await this.directory(options);
    if (!renewalInfo) return undefined;
    // RFC 9773 §4.1: added as a path segment, whether or not the address ends in a slash.
    const response = await this.#get(`${renewalInfo.replace(/\/$/, "")}/${certificateId(certificate)}`, options);
    if (response.status !== 200) throw this.#refusal("Cannot read the renewal information", response);
    return { ...readRenewalInfo(this.#json(response)), retryAt: this.#retryAt(response) };
  }

  /** Closes connections that are kept alive. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#transport.close();
    return Promise.resolve();
  }

  // --- signed requests ---------------------------------------------------------------------------------------------

  /** A POST-as-GET (RFC 8555 §6.3) of an order or a part of it. */
  #look(what: string, url: string, options: CallOptions): Promise<AcmeResponse> {
    return this.#post(what, url, undefined, { signal: options.signal, ofOrder: true });
  }

  async #post(what: string, url: string, payload: unknown, options: Signing): Promise<AcmeResponse> {
    const accountKey = this.#accountKey;
    if (!options.withKey && this.#accountUrl === undefined) throw new TypeError(`${what}: register the account first`);
    const who = options.withKey ? { jwk: await publicJwk(accountKey) } : { kid: this.#accountUrl };
    const { signal } = options;
    for (let attempt = 0;; attempt++) {
      const nonce = this.#nonces.pop() ?? await this.#freshNonce(signal);
      const body = await signJws(accountKey, { ...who, nonce, url }, payload);
      const response = await this.#transport.send("POST", url, { body, signal });
      this.#keepNonce(response);
      if (response.status >= 200 && response.status < 300) return response;
      const refusal = this.#refusal(what, response, options);
      // RFC 8555 §6.5: a refused nonce means nothing was done; try again with the one that came along.
      if (refusal.problem?.type !== "badNonce" || attempt >= MAX_NONCE_RETRIES) throw refusal;
    }
  }

  async #freshNonce(signal: AbortSignal | undefined): Promise<string> {
    const { newNonce } = await this.directory({ signal });
    const response = await this.#transport.send("HEAD", newNonce, { signal });
    this.#keepNonce(response);
    const nonce = this.#nonces.pop();
    if (nonce !== undefined) return nonce;
    if (response.status >= 300) throw this.#refusal("Cannot get a nonce", response);
    throw new AcmeError("protocol", "Cannot get a nonce: the CA sent none");
  }

  #keepNonce(response: AcmeResponse): void {
    const nonce = response.headers["replay-nonce"];
    // RFC 8555 §6.5.1: a nonce that is not base64url is to be ignored.
    if (typeof nonce === "string" && /^[\w-]+$/.test(nonce) && this.#nonces.length < 32) this.#nonces.push(nonce);
  }

  #get(url: string, options: CallOptions = {}): Promise<AcmeResponse> {
    return this.#transport.send("GET", url, { signal: options.signal });
  }

  // --- answers -----------------------------------------------------------------------------------------------------

  #order(url: string, response: AcmeResponse): Order {
    return { ...readOrder(this.#json(response), url), ...this.#pace(response) };
  }

  #json(response: AcmeResponse): unknown {
    try {
      return JSON.parse(response.text);
    } catch (cause) {
      throw new AcmeError("protocol", "Cannot understand the CA: its answer is not JSON", { cause });
    }
  }

  #refusal(what: string, response: AcmeResponse, options: Signing = {}): AcmeError {
    const { status } = response;
    let json: unknown;
    try {
      json = JSON.parse(response.text);
    } catch {
      json = { detail: `HTTP status ${status}` }; // Something in between answers without a problem document.
    }
    const problem = { ...readProblem(json, status), status };
    const retryAt = this.#retryAt(response);
    const details = { problem, ...(retryAt ? { retryAt } : {}) };
    if (status === 404 && options.ofOrder && problem.type !== "accountDoesNotExist") {
      return new AcmeError("order_lost", `${what}: ${problem.detail || "it is not there any more"}`, details);
    }
    // RFC 8555 §7.3.6: nobody has looked at a name yet, so it is the account that may not.
    if (problem.type === "unauthorized") return new AcmeError("account", `${what}: ${problem.detail}`, details);
    return problemError(what, problem, retryAt);
  }

  #pace(response: AcmeResponse): { retryAt?: Date } {
    const retryAt = this.#retryAt(response);
    return retryAt ? { retryAt } : {};
  }

  #retryAt({ headers }: AcmeResponse): Date | undefined {
    return readRetryAfter(headers["retry-after"], this.#now());
  }
}

function accountKeyOf(key: KeyPair): KeyPair {
  if (key.algorithm === "ec-p256") return key;
  throw new TypeError(`Cannot use an account key of ${key.algorithm}: it must be EC P-256`);
}

/**
 * Names a certificate towards its CA: key identifier of the issuer and serial number (RFC 9773 §4.1).
 *
 * @example
 * ```ts
 * import { certificateId } from "@helyos/acme";
 * import { createRootCa, generateKeyPair, issueCertificate } from "@helyos/pki";
 * import { match } from "node:assert/strict";
 *
 * const key = await generateKeyPair();
 * const ca = await createRootCa({ commonName: "Example CA", key });
 * const leaf = await issueCertificate({
 *   issuer: { certificate: ca.pem, key },
 *   profile: "server",
 *   publicKey: (await generateKeyPair()).publicKey,
 *   commonName: "example.com",
 *   names: { dns: ["example.com"] },
 * });
 * match(certificateId(leaf.pem), /^[\w-]+\.[\w-]+$/);
 * ```
 * @param certificate PEM, of a chain its first certificate; or DER.
 * @returns The identifier.
 * @throws {AcmeError} If the certificate does not name its issuer's key.
 */
export function certificateId(certificate: string | Uint8Array): string {
  const { authorityKeyIdentifier, serial } = typeof certificate === "string"
    ? parseCertificates(certificate)[0]!
    : parseCertificate(certificate);
  if (!authorityKeyIdentifier?.keyIdentifier) {
    throw new AcmeError("protocol", "Cannot name the certificate: it has no authority key identifier");
  }
  const octets = Uint8Array.fromHex(serial.length % 2 === 0 ? serial : `0${serial}`);
  // The DER content of the INTEGER: positive, so a leading zero where the first bit is set.
  const content = octets[0]! >= 0x80 ? Uint8Array.of(0, ...octets) : octets;
  return `${base64url(Uint8Array.fromHex(authorityKeyIdentifier.keyIdentifier))}.${base64url(content)}`;
}

interface Chain {
  readonly pem: string;
  /** Common name of the issuer of the topmost certificate. */
  readonly topIssuer: string | undefined;
}

/** Reads what RFC 8555 §9.1 calls a certificate chain: certificates and nothing else. */
function readChain({ text }: AcmeResponse): Chain {
  try {
    const topIssuer = parseCertificates(text).at(-1)!.issuer.commonName;
    return { pem: text.endsWith("\n") ? text : `${text}\n`, topIssuer };
  } catch (cause) {
    throw new AcmeError("protocol", "Cannot use the certificate: what the CA sent is no chain of certificates", {
      cause,
    });
  }
}

/** Addresses of other chains of the same certificate (RFC 8555 §7.4.2, RFC 8288). */
function alternates(response: AcmeResponse, base: string): string[] {
  const links = [response.headers.link ?? []].flat().join(", ");
  const targets = [...links.matchAll(/<([^>]+)>\s*;[^,]*\brel="?alternate"?/gi)].map((match) => match[1]!);
  return targets.filter((target) => URL.canParse(target, base)).map((target) => new URL(target, base).href);
}
