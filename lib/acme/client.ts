/**
 * The operations of an ACME server (RFC 8555), one method each.
 *
 * @module
 */
import { type KeyPair, parseCertificate, pemDecode } from "@helyos/pki";
import { AcmeError } from "./errors.ts";
import { base64url, bindExternalAccount, publicJwk, signJws, thumbprint } from "./jws.ts";
import { problemError, readProblem } from "./problem.ts";
import { type AcmeResponse, readRetryAfter, Transport } from "./transport.ts";

/** A name an order is for. */
export interface Identifier {
  /** Its kind. */
  readonly type: "dns" | "ip";
  /** The name; for a wildcard of an authorization without the `*.` in front. */
  readonly value: string;
}

/** Where an ACME server's operations are, and what it says about itself (RFC 8555 §7.1.1). */
export interface Directory {
  /** Where nonces come from. */
  readonly newNonce: string;
  /** Where accounts are made. */
  readonly newAccount: string;
  /** Where orders are made. */
  readonly newOrder: string;
  /** Where certificates are revoked. */
  readonly revokeCert: string;
  /** Where renewal information is (RFC 9773); absent when the server has none. */
  readonly renewalInfo?: string;
  /** What the server says about itself. */
  readonly meta?: {
    /** Where its terms of service are. */
    readonly termsOfService?: string;
    /** Whether an account made elsewhere is needed. */
    readonly externalAccountRequired?: boolean;
    /** Names by which CAA records allow this CA (RFC 8659 §4.2). */
    readonly caaIdentities?: readonly string[];
    /** Names of its certificate profiles, with a sentence on each. */
    readonly profiles?: Readonly<Record<string, string>>;
  };
}

/** An order (RFC 8555 §7.1.3). */
export interface Order {
  /** Its address. */
  readonly url: string;
  /** How far it is. */
  readonly status: "pending" | "ready" | "processing" | "valid" | "invalid";
  /** The names. */
  readonly identifiers: readonly Identifier[];
  /** Addresses of what must be proven. */
  readonly authorizations: readonly string[];
  /** Where the request goes once all is proven. */
  readonly finalize: string;
  /** Where the certificate is, once there is one. */
  readonly certificate?: string;
  /** Why it is invalid. */
  readonly error?: unknown;
  /** When the server would like to be asked again. */
  readonly retryAt?: Date;
}

/** A way to prove a name (RFC 8555 §8). */
export interface Challenge {
  /** Its kind, for example `http-01`. */
  readonly type: string;
  /** Its address. */
  readonly url: string;
  /** How far it is. */
  readonly status: "pending" | "processing" | "valid" | "invalid";
  /** What the answer is made of. */
  readonly token: string;
  /** Why it is invalid. */
  readonly error?: unknown;
}

/** What must be proven about one name (RFC 8555 §7.1.4). */
export interface Authorization {
  /** The name, without the `*.` of a wildcard. */
  readonly identifier: Identifier;
  /** Whether it is for the wildcard below the name. */
  readonly wildcard?: boolean;
  /** How far it is. */
  readonly status: "pending" | "valid" | "invalid" | "deactivated" | "expired" | "revoked";
  /** The ways to prove it. */
  readonly challenges: readonly Challenge[];
}

/** When the CA would like a certificate to be renewed (RFC 9773). */
export interface RenewalInfo {
  /** Start of the suggested window. */
  readonly start: Date;
  /** End of the suggested window. */
  readonly end: Date;
  /** Where the CA explains why. */
  readonly explanationUrl: string | undefined;
  /** When to ask again. */
  readonly retryAt: Date | undefined;
}

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

/** How often a request is sent again because its nonce was refused (RFC 8555 §6.5). */
const MAX_NONCE_RETRIES = 8;

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
  #directory: Promise<Directory> | undefined;
  #accountUrl: string | undefined;

  /**
   * Makes a client; nothing is sent yet.
   *
   * @param options Server, account and trust.
   * @throws {TypeError} If the account's key is not EC P-256.
   */
  constructor(options: AcmeClientOptions) {
    if (options.accountKey.algorithm !== "ec-p256") {
      throw new TypeError(`Cannot use an account key of ${options.accountKey.algorithm}: it must be EC P-256`);
    }
    this.#options = options;
    this.#transport = new Transport({
      timeoutMs: options.timeoutMs ?? 30_000,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    });
    this.#now = options.now ?? (() => new Date());
    this.#accountUrl = options.accountUrl;
  }

  /** Address of the account; undefined before it is known. */
  get accountUrl(): string | undefined {
    return this.#accountUrl;
  }

  /**
   * Where the server's operations are. Asked once, remembered.
   *
   * @returns The directory.
   * @throws {AcmeError} If the server cannot be reached or is not an ACME server.
   */
  directory(): Promise<Directory> {
    return this.#directory ??= this.#fetchDirectory().catch((error) => {
      this.#directory = undefined;
      throw error;
    });
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
    const response = await this.#get(this.#options.directoryUrl);
    if (response.status !== 200) throw this.#refusal("Cannot read the CA's directory", response);
    const directory = this.#json<Directory>(response);
    for (const name of ["newNonce", "newAccount", "newOrder"] as const) {
      if (typeof directory[name] !== "string") {
        throw new AcmeError(
          "protocol",
          `Cannot use "${this.#options.directoryUrl}": it is no ACME directory (no ${name})`,
        );
      }
    }
    return directory;
  }

  /**
   * Makes the account, or finds it when the key has one, and agrees to the server's terms of service (RFC 8555 §7.3).
   *
   * @param account Contact and binding.
   * @returns Address of the account.
   * @throws {AcmeError} If the server refuses.
   */
  async register(account: NewAccount = {}): Promise<string> {
    const { newAccount, meta } = await this.directory();
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
            this.#options.accountKey,
            account.externalAccount,
            newAccount,
          ),
        }
        : {}),
    };
    const response = await this.#post("Cannot make an account", newAccount, payload, { withKey: true });
    const url = response.headers.location;
    if (!url) throw new AcmeError("protocol", "Cannot make an account: the CA did not say where it is");
    return this.#accountUrl = url;
  }

  /**
   * Places an order (RFC 8555 §7.4).
   *
   * @param order Names, profile, and what it replaces.
   * @returns The order.
   * @throws {AcmeError} If the server refuses: see the codes.
   */
  async newOrder(order: NewOrder): Promise<Order> {
    const { newOrder } = await this.directory();
    const names = order.identifiers.map((one) => one.value).join(", ");
    const response = await this.#post(`Cannot order a certificate for ${names}`, newOrder, order);
    const url = response.headers.location;
    if (!url) {
      throw new AcmeError("protocol", `Cannot order a certificate for ${names}: the CA did not say where the order is`);
    }
    return this.#order(url, response);
  }

  /**
   * Looks at an order.
   *
   * @param url Its address.
   * @returns The order as it is now.
   * @throws {AcmeError} With code `order_lost` if it is not there any more.
   */
  async order(url: string): Promise<Order> {
    return this.#order(url, await this.#post("Cannot look at the order", url, undefined));
  }

  /**
   * Looks at what must be proven about one name.
   *
   * @param url Its address.
   * @returns The authorization as it is now.
   * @throws {AcmeError} If the server refuses.
   */
  async authorization(url: string): Promise<Authorization> {
    return this.#json(await this.#post("Cannot look at the authorization", url, undefined));
  }

  /**
   * Says that the answer to a challenge is in place (RFC 8555 §7.5.1).
   *
   * @param url The challenge's address.
   * @throws {AcmeError} If the server refuses.
   */
  async respond(url: string): Promise<void> {
    await this.#post("Cannot answer the challenge", url, {});
  }

  /**
   * Looks at a challenge.
   *
   * @param url Its address.
   * @returns The challenge as it is now.
   * @throws {AcmeError} If the server refuses.
   */
  async challenge(url: string): Promise<Challenge> {
    return this.#json(await this.#post("Cannot look at the challenge", url, undefined));
  }

  /**
   * What the answer to a challenge is made of: its token and the account's thumbprint (RFC 8555 §8.1).
   *
   * @param token The challenge's token.
   * @returns The key authorization.
   */
  async keyAuthorization(token: string): Promise<string> {
    return `${token}.${await thumbprint(this.#options.accountKey)}`;
  }

  /**
   * Asks for the certificate of an order whose names are all proven (RFC 8555 §7.4).
   *
   * @param order The order.
   * @param csr The request, DER.
   * @returns The order as it is then.
   * @throws {AcmeError} If the server refuses the request.
   */
  async finalize(order: Order, csr: Uint8Array): Promise<Order> {
    const response = await this.#post("Cannot finalize the order", order.finalize, { csr: base64url(csr) });
    return this.#order(order.url, response);
  }

  /**
   * Fetches a certificate and what leads from it to a root (RFC 8555 §7.4.2).
   *
   * @param url Its address.
   * @param options With `preferredIssuer`, a chain whose topmost certificate was issued by that common name is chosen among the
   * alternates; the default chain when none was.
   * @returns PEM, the leaf first.
   * @throws {AcmeError} If the server refuses, or what it sends is no chain.
   */
  async certificate(url: string, options: { readonly preferredIssuer?: string } = {}): Promise<string> {
    const response = await this.#post("Cannot fetch the certificate", url, undefined);
    const chain = this.#chain(response);
    const wanted = options.preferredIssuer;
    if (wanted === undefined || topIssuer(chain) === wanted) return chain;
    for (const alternate of alternates(response, url)) {
      const other = this.#chain(await this.#post("Cannot fetch the alternate chain", alternate, undefined));
      if (topIssuer(other) === wanted) return other;
    }
    return chain;
  }

  /**
   * Revokes a certificate of this account (RFC 8555 §7.6).
   *
   * @param certificate DER of the certificate.
   * @param reason The code of RFC 5280 §5.3.1, for example 1 for a stolen key.
   * @throws {AcmeError} If the server refuses.
   */
  async revoke(certificate: Uint8Array, reason = 0): Promise<void> {
    const { revokeCert } = await this.directory();
    await this.#post("Cannot revoke the certificate", revokeCert, { certificate: base64url(certificate), reason });
  }

  /**
   * Asks when the CA would like a certificate to be renewed (RFC 9773 §4).
   *
   * @param certificate PEM or DER of the certificate.
   * @returns The window; undefined when the server offers no renewal information.
   * @throws {AcmeError} If the server refuses or its answer makes no sense.
   */
  async renewalInfo(certificate: string | Uint8Array): Promise<RenewalInfo | undefined> {
    const { renewalInfo } = await this.directory();
    if (!renewalInfo) return undefined;
    const response = await this.#get(`${renewalInfo}/${certificateId(certificate)}`);
    if (response.status !== 200) throw this.#refusal("Cannot read the renewal information", response);
    const body = this.#json<{ suggestedWindow?: { start?: string; end?: string }; explanationURL?: string }>(response);
    const start = new Date(body.suggestedWindow?.start ?? NaN);
    const end = new Date(body.suggestedWindow?.end ?? NaN);
    // RFC 9773 §4.2: a window that ends before it starts is to be treated as if there were none.
    if (!(start < end)) {
      throw new AcmeError("protocol", "Cannot use the renewal information: its window makes no sense");
    }
    return { start, end, explanationUrl: body.explanationURL, retryAt: this.#retryAt(response) };
  }

  /** Closes connections that are kept alive. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#transport.close();
    return Promise.resolve();
  }

  // --- signed requests ---------------------------------------------------------------------------------------------

  async #post(what: string, url: string, payload: unknown, options: { withKey?: boolean } = {}): Promise<AcmeResponse> {
    const { accountKey } = this.#options;
    if (!options.withKey && this.#accountUrl === undefined) throw new TypeError(`${what}: register the account first`);
    const who = options.withKey ? { jwk: await publicJwk(accountKey) } : { kid: this.#accountUrl };
    for (let attempt = 0;; attempt++) {
      const nonce = this.#nonces.pop() ?? await this.#freshNonce();
      const body = await signJws(accountKey, { ...who, nonce, url }, payload);
      const response = await this.#transport.send("POST", url, { body });
      this.#keepNonce(response);
      if (response.status >= 200 && response.status < 300) return response;
      const refusal = this.#refusal(what, response);
      // RFC 8555 §6.5: a refused nonce means nothing was done; try again with the one that came along.
      if (refusal.problem?.type !== "badNonce" || attempt >= MAX_NONCE_RETRIES) throw refusal;
    }
  }

  async #freshNonce(): Promise<string> {
    const { newNonce } = await this.directory();
    const response = await this.#transport.send("HEAD", newNonce);
    const nonce = response.headers["replay-nonce"];
    if (typeof nonce !== "string") throw this.#refusal("Cannot get a nonce", response);
    return nonce;
  }

  #keepNonce(response: AcmeResponse): void {
    const nonce = response.headers["replay-nonce"];
    if (typeof nonce === "string" && this.#nonces.length < 32) this.#nonces.push(nonce);
  }

  #get(url: string): Promise<AcmeResponse> {
    return this.#transport.send("GET", url);
  }

  // --- answers -----------------------------------------------------------------------------------------------------

  #order(url: string, response: AcmeResponse): Order {
    const retryAt = this.#retryAt(response);
    return { ...this.#json<Omit<Order, "url">>(response), url, ...(retryAt ? { retryAt } : {}) };
  }

  #chain(response: AcmeResponse): string {
    if (pemDecode(response.text, "CERTIFICATE").length === 0) {
      throw new AcmeError("protocol", "Cannot use the certificate: the CA sent none");
    }
    return response.text.endsWith("\n") ? response.text : `${response.text}\n`;
  }

  #json<T>(response: AcmeResponse): T {
    try {
      const value: unknown = JSON.parse(response.text);
      if (typeof value === "object" && value !== null) return value as T;
    } catch (cause) {
      throw new AcmeError("protocol", "Cannot understand the CA: its answer is not JSON", { cause });
    }
    throw new AcmeError("protocol", "Cannot understand the CA: its answer is not an object");
  }

  #refusal(what: string, response: AcmeResponse): AcmeError {
    const retryAt = this.#retryAt(response);
    let json: unknown;
    try {
      json = JSON.parse(response.text);
    } catch {
      json = { detail: `HTTP status ${response.status}` }; // Something in between answers without a problem document.
    }
    if (response.status === 404) {
      const problem = readProblem(json, 404);
      return new AcmeError("order_lost", `${what}: ${problem.detail || "it is not there any more"}`, { problem });
    }
    return problemError(what, readProblem(json, response.status), retryAt);
  }

  #retryAt(response: AcmeResponse): Date | undefined {
    return readRetryAfter(response.headers["retry-after"], this.#now());
  }
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
 * @param certificate PEM or DER.
 * @returns The identifier.
 * @throws {AcmeError} If the certificate does not name its issuer's key.
 */
export function certificateId(certificate: string | Uint8Array): string {
  const { authorityKeyIdentifier, serial } = parseCertificate(certificate);
  if (!authorityKeyIdentifier?.keyIdentifier) {
    throw new AcmeError("protocol", "Cannot name the certificate: it has no authority key identifier");
  }
  const octets = Uint8Array.fromHex(serial.length % 2 === 0 ? serial : `0${serial}`);
  // The DER content of the INTEGER: positive, so a leading zero where the first bit is set.
  const content = octets[0]! >= 0x80 ? Uint8Array.of(0, ...octets) : octets;
  return `${base64url(Uint8Array.fromHex(authorityKeyIdentifier.keyIdentifier))}.${base64url(content)}`;
}

function topIssuer(chain: string): string | undefined {
  const top = pemDecode(chain, "CERTIFICATE").at(-1);
  return top ? parseCertificate(top.der).issuer.commonName : undefined;
}

/** Addresses of other chains of the same certificate (RFC 8555 §7.4.2, RFC 8288). */
function alternates(response: AcmeResponse, base: string): string[] {
  const links = [response.headers.link ?? []].flat().join(", ");
  return [...links.matchAll(/<([^>]+)>\s*;[^,]*\brel="?alternate"?/g)].map((match) => new URL(match[1]!, base).href);
}
