/**
 * What an ACME server answers with (RFC 8555 §7.1), and how it is read: whatever is missing or of the wrong kind is a
 * {@linkcode AcmeError} of code `protocol`, never a crash further on.
 *
 * @module
 */
import { AcmeError } from "./errors.ts";

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
  /** Where an account's key is changed; absent when the server has none. */
  readonly keyChange?: string;
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
  /** What the answer is made of; empty for kinds that need none. */
  readonly token: string;
  /** Why it is invalid. */
  readonly error?: unknown;
  /** When the server would like to be asked again. */
  readonly retryAt?: Date;
}

/** What must be proven about one name (RFC 8555 §7.1.4). */
export interface Authorization {
  /** The name, without the `*.` of a wildcard. */
  readonly identifier: Identifier;
  /** Whether it is for the wildcard below the name. */
  readonly wildcard?: boolean;
  /** How far it is. */
  readonly status: "pending" | "valid" | "invalid" | "deactivated" | "expired" | "revoked";
  /** The ways to prove it, those that could be read. */
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

type Fields = Readonly<Record<string, unknown>>;

const ORDER_STATES = ["pending", "ready", "processing", "valid", "invalid"] as const;
const CHALLENGE_STATES = ["pending", "processing", "valid", "invalid"] as const;
const AUTHORIZATION_STATES = ["pending", "valid", "invalid", "deactivated", "expired", "revoked"] as const;

/** Reads a directory. */
export function readDirectory(json: unknown, url: string): Directory {
  const fields = fieldsOf(json);
  const where = `"${url}": it is no ACME directory`;
  const needed = (name: string) => addressOf(fields[name], `${where} (no ${name})`);
  const offered = (name: string) => fields[name] === undefined ? {} : { [name]: addressOf(fields[name], where) };
  const meta = fieldsOf(fields.meta);
  const { termsOfService, externalAccountRequired, caaIdentities, profiles } = meta;
  return {
    newNonce: needed("newNonce"),
    newAccount: needed("newAccount"),
    newOrder: needed("newOrder"),
    revokeCert: needed("revokeCert"),
    ...offered("keyChange"),
    ...offered("renewalInfo"),
    meta: {
      ...(typeof termsOfService === "string" ? { termsOfService } : {}),
      externalAccountRequired: externalAccountRequired === true,
      caaIdentities: listOf(caaIdentities).filter((one) => typeof one === "string"),
      ...(profiles === undefined ? {} : {
        profiles: Object.fromEntries(Object.entries(fieldsOf(profiles)).map(([name, text]) => [name, String(text)])),
      }),
    },
  };
}

/** Reads an order. */
export function readOrder(json: unknown, url: string): Order {
  const fields = fieldsOf(json);
  const what = "its order makes no sense";
  const status = oneOf(fields.status, ORDER_STATES, what);
  return {
    url,
    status,
    identifiers: listOf(fields.identifiers).map((one) => identifierOf(one, what)),
    authorizations: listOf(fields.authorizations).map((one) => addressOf(one, what)),
    finalize: addressOf(fields.finalize, what),
    ...(fields.certificate === undefined ? {} : { certificate: addressOf(fields.certificate, what) }),
    ...(fields.error === undefined ? {} : { error: fields.error }),
  };
}

/** Reads an authorization. Ways to prove it that make no sense are left out: others may do. */
export function readAuthorization(json: unknown): Authorization {
  const fields = fieldsOf(json);
  const what = "its authorization makes no sense";
  return {
    identifier: identifierOf(fields.identifier, what),
    ...(fields.wildcard === true ? { wildcard: true } : {}),
    status: oneOf(fields.status, AUTHORIZATION_STATES, what),
    challenges: listOf(fields.challenges).flatMap((one) => {
      try {
        return [readChallenge(one)];
      } catch {
        return [];
      }
    }),
  };
}

/** Reads a challenge. */
export function readChallenge(json: unknown): Challenge {
  const fields = fieldsOf(json);
  const what = "its challenge makes no sense";
  const { type, token, error } = fields;
  if (typeof type !== "string") throw nonsense(what);
  // RFC 8555 §8.3: base64url and nothing else, as it ends up in paths.
  if (token !== undefined && !(typeof token === "string" && /^[\w-]+$/.test(token))) throw nonsense(what);
  return {
    type,
    url: addressOf(fields.url, what),
    status: oneOf(fields.status, CHALLENGE_STATES, what),
    token: token ?? "",
    ...(error === undefined ? {} : { error }),
  };
}

/** Reads renewal information (RFC 9773 §4.2). */
export function readRenewalInfo(json: unknown): Omit<RenewalInfo, "retryAt"> {
  const { suggestedWindow, explanationURL } = fieldsOf(json);
  const window = fieldsOf(suggestedWindow);
  const instant = (value: unknown) => new Date(typeof value === "string" ? value : NaN);
  const [start, end] = [instant(window.start), instant(window.end)];
  // A window that ends before it starts is to be treated as if there were none.
  if (!(start < end)) {
    throw new AcmeError("protocol", "Cannot use the renewal information: its window makes no sense");
  }
  return { start, end, explanationUrl: typeof explanationURL === "string" ? explanationURL : undefined };
}

/** Reads the address of what was just made. */
export function readLocation(location: unknown, base: string): string {
  if (typeof location !== "string") throw nonsense("it did not say where it is");
  return addressOf(URL.canParse(location, base) ? new URL(location, base).href : undefined, "it is nowhere");
}

function fieldsOf(json: unknown): Fields {
  return typeof json === "object" && json !== null ? json as Fields : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function identifierOf(value: unknown, what: string): Identifier {
  const { type, value: name } = fieldsOf(value);
  if (!(type === "dns" || type === "ip") || typeof name !== "string") throw nonsense(what);
  return { type, value: name };
}

function oneOf<const T extends string>(value: unknown, known: readonly T[], what: string): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw nonsense(what);
  return found;
}

/** RFC 8555 §6.1: everything is spoken over https. */
function addressOf(value: unknown, what: string): string {
  if (typeof value !== "string" || !URL.canParse(value) || new URL(value).protocol !== "https:") throw nonsense(what);
  return value;
}

function nonsense(what: string): AcmeError {
  return new AcmeError("protocol", `Cannot understand the CA: ${what}`);
}
