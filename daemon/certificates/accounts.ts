/**
 * Accounts at CAs: one for each directory, made when it is first needed, its key sealed.
 *
 * @module
 */
import { AcmeClient, type AcmeClientOptions, AcmeError } from "@helyos/acme";
import { exportPrivateKey, generateKeyPair, type KeyPair } from "@helyos/pki";
import type { Sealer } from "../secrets/mod.ts";
import type { Guard, Store } from "../store/store.ts";
import { accountKey, type StoredAccount } from "./records.ts";
import { seal, unseal } from "./sealed_key.ts";
import type { AcmeSettings } from "./settings.ts";

/** What accounts need. */
export interface AccountDeps {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly now: () => Date;
  readonly settings: AcmeSettings;
  /**
   * How long a daemon that died while making an account holds others up.
   * @default {60000}
   */
  readonly lockMs?: number;
  /** Contact address; undefined while ACME is off. */
  readonly email: () => string | undefined;
}

/** Making an account takes a few requests. */
const LOCK_MS = 60_000;
/** How long a person waits for an answer to a mere look. */
const VISIT_MS = 5_000;

/** What a CA wants that was given none, and what to do: the end of a sentence. */
export const EXTERNAL_ACCOUNT_NEEDED =
  "this CA wants one that was made elsewhere: start helyosd with --acme-eab-kid and --acme-eab-hmac-file";

/** Registered clients, shared by all orders. */
export class Accounts implements AsyncDisposable {
  readonly #deps: AccountDeps;
  readonly #clients = new Map<string, Promise<AcmeClient>>();
  /** Clients whose account is gone, each replaced once. */
  readonly #lost = new WeakSet<AcmeClient>();
  /** Every client there is, also those whose account is still being made. */
  readonly #open = new Set<AcmeClient>();

  constructor(deps: AccountDeps) {
    this.#deps = deps;
  }

  /**
   * A client whose account is registered.
   *
   * @throws {AcmeError} If the CA refuses or cannot be reached.
   */
  client(directory: string): Promise<AcmeClient> {
    return this.#clients.get(directory) ?? this.#keep(directory, this.#make(directory));
  }

  /** A client without an account, which can read the directory and nothing else. Its owner disposes of it. */
  async visit(directory: string): Promise<AcmeClient> {
    return this.#connect(directory, { accountKey: await generateKeyPair(), timeoutMs: VISIT_MS });
  }

  /** Address of the account at a CA; undefined before it is made. */
  async url(directory: string): Promise<string | undefined> {
    return (await this.#deps.store.get<StoredAccount>(await accountKey(directory)))?.value.url;
  }

  /**
   * A client for one whose account the CA does not know any more: the account is made anew, with the same key.
   *
   * Every order under way finds that out, one after the other: the first one has the account made, and all get what comes of it. `lost`
   * stays open for those that do not know yet.
   */
  replace(directory: string, lost: AcmeClient): Promise<AcmeClient> {
    if (!this.#lost.has(lost)) {
      this.#lost.add(lost);
      this.#keep(directory, this.#forget(directory).then(() => this.#make(directory)));
    }
    return this.client(directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Not waited for: a CA that does not answer would keep the daemon from stopping. Closing ends what is under way.
    this.#clients.clear();
    await Promise.all([...this.#open].map((client) => this.#close(client)));
  }

  #keep(directory: string, client: Promise<AcmeClient>): Promise<AcmeClient> {
    this.#clients.set(directory, client);
    client.catch(() => {
      if (this.#clients.get(directory) === client) this.#clients.delete(directory);
    });
    return client;
  }

  async #forget(directory: string): Promise<void> {
    const entry = await this.#deps.store.get<StoredAccount>(await accountKey(directory));
    if (entry?.value.url === undefined) return;
    const { url: _, ...rest } = entry.value;
    await this.#deps.store.commit([{ put: entry.key, value: rest }], [entry]);
  }

  async #close(client: AcmeClient): Promise<void> {
    this.#open.delete(client);
    await client[Symbol.asyncDispose]();
  }

  async #make(directory: string): Promise<AcmeClient> {
    const { store, settings } = this.#deps;
    const name = await accountKey(directory);
    await using lock = await store.lock(name, {
      ttlMs: this.#deps.lockMs ?? LOCK_MS,
      signal: AbortSignal.timeout(LOCK_MS),
    });
    const entry = await store.get<StoredAccount>(name);
    const known = entry && await unseal(this.#deps.sealer, name, entry.value.sealedKey);
    const { key, account, guard } = entry === undefined || known === undefined
      ? await this.#newKey(directory, entry ?? { key: name, revision: 0 })
      : { key: known, account: entry.value, guard: entry };
    const client = this.#connect(directory, {
      accountKey: key,
      ...(account.url === undefined ? {} : { accountUrl: account.url }),
    });
    this.#open.add(client);
    const email = this.#deps.email();
    if (account.url !== undefined) {
      if (email !== undefined && email !== account.email && await tellContact(client, email)) {
        await store.commit([{ put: name, value: { ...account, email } }], [lock.guard, guard]);
      }
      return client;
    }
    try {
      const { meta } = await client.directory();
      const bound = meta?.externalAccountRequired && settings.externalAccount;
      if (meta?.externalAccountRequired && !bound) {
        throw new AcmeError("account", `Cannot make an account: ${EXTERNAL_ACCOUNT_NEEDED}`);
      }
      const url = await client.register({
        ...(email === undefined ? {} : { emails: [email] }),
        ...(bound ? { externalAccount: bound } : {}),
      }).catch((error) => {
        throw bound ? refusedBinding(error, settings) : error;
      });
      const told = email === undefined ? {} : { email };
      await store.commit([{ put: name, value: { ...account, url, ...told } }], [lock.guard, guard]);
      return client;
    } catch (error) {
      await this.#close(client);
      throw error;
    }
  }

  #connect(
    directoryUrl: string,
    options: Pick<AcmeClientOptions, "accountKey" | "accountUrl" | "timeoutMs">,
  ): AcmeClient {
    const { settings: { ca }, now } = this.#deps;
    return new AcmeClient({ directoryUrl, now, ...options, ...(ca === undefined ? {} : { ca }) });
  }

  /** Stored before the account is made: after a crash the CA finds it again by its key. */
  async #newKey(directory: string, place: Guard): Promise<{ key: KeyPair; account: StoredAccount; guard: Guard }> {
    const { store, sealer } = this.#deps;
    const name = place.key;
    const key = await generateKeyPair();
    const account: StoredAccount = { directory, sealedKey: await seal(sealer, name, await exportPrivateKey(key)) };
    await store.commit([{ put: name, value: account }], [place]);
    const entry = await store.get<StoredAccount>(name);
    if (entry?.value.sealedKey !== account.sealedKey) {
      throw new Error(`the account of ${directory} was made twice at once`);
    }
    return { key, account, guard: entry };
  }
}

/** A CA that does not take the account made elsewhere says so in words that it has for names, too: here it is about flags. */
function refusedBinding(error: unknown, { fallback }: AcmeSettings): unknown {
  if (!(error instanceof AcmeError && error.problem !== undefined)) return error;
  if (error.code === "unavailable" || error.code === "rate_limited") return error;
  const whose = fallback === undefined ? "" : "; they hold for one CA, and this may be the other";
  return new AcmeError("account", `${error.message}; check --acme-eab-kid and --acme-eab-hmac-file${whose}`, {
    cause: error,
  });
}

/** Certificates do not depend on it: a CA that refuses is told again by the next start. */
async function tellContact(client: AcmeClient, email: string): Promise<boolean> {
  try {
    await client.changeContact([email], { signal: AbortSignal.timeout(VISIT_MS) });
    return true;
  } catch {
    return false;
  }
}
