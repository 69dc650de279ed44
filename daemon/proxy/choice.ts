/**
 * Which proxy serves, and who the contact at the CA is: what the command line fixed, else what was chosen over the API.
 *
 * @module
 */
import type { ProxyConfig, ProxyConfigChange } from "@helyos/api";
import { auditOperation } from "../audit/records.ts";
import { Failure } from "../server/failure.ts";
import { Mirror } from "../store/mirror.ts";
import type { Operation, Store } from "../store/store.ts";
import { type BackendName, BACKENDS, DEFAULT_BACKEND } from "./names.ts";

const KEY = "config/proxy";

/** What was chosen over the API. */
export interface StoredChoice {
  readonly backend?: BackendName;
  readonly acmeEmail?: string;
}

/** What the command line fixed. */
export interface FixedChoice {
  readonly backend?: BackendName | undefined;
  readonly acmeEmail?: string | undefined;
}

/** What there is to choose with. */
export interface ChoiceDeps {
  readonly store: Store;
  readonly now: () => Date;
  readonly isEmail: (text: string) => boolean;
}

/** Who changes it, for the audit trail. */
export interface Actor {
  readonly actor: string;
  readonly address: string | null;
}

/** The choice as it is now. Closing it stops following the store. */
export class ProxyChoice implements AsyncDisposable {
  readonly #deps: ChoiceDeps;
  readonly #fixed: FixedChoice;
  readonly #stored: Mirror<StoredChoice>;

  private constructor(deps: ChoiceDeps, fixed: FixedChoice, stored: Mirror<StoredChoice>) {
    this.#deps = deps;
    this.#fixed = fixed;
    this.#stored = stored;
  }

  /** Reads what was chosen. */
  static async open(
    deps: ChoiceDeps,
    fixed: FixedChoice,
    onError: (error: unknown) => void,
  ): Promise<ProxyChoice> {
    const stored = await Mirror.open<StoredChoice>(deps.store, KEY, { keep: ({ value }) => value, onError });
    return new ProxyChoice(deps, fixed, stored);
  }

  /** The proxy that is to serve. */
  get backend(): BackendName {
    return this.#fixed.backend ?? this.#current.backend ?? DEFAULT_BACKEND;
  }

  /** Whether somebody chose it. */
  get isChosen(): boolean {
    return (this.#fixed.backend ?? this.#current.backend) !== undefined;
  }

  /** The contact; undefined while automatic certificates are off. */
  get acmeEmail(): string | undefined {
    return this.#fixed.acmeEmail ?? this.#current.acmeEmail;
  }

  /** Calls `listener` after something else was chosen. */
  onChange(listener: () => void): void {
    this.#stored.onChange(listener);
  }

  /**
   * Chooses.
   *
   * @throws {Failure} `conflict` if the command line fixed it or there is no such proxy here, `invalid` if the contact is no address.
   */
  async change(change: ProxyConfigChange, by: Actor): Promise<Omit<ProxyConfig, "state">> {
    const { store, isEmail } = this.#deps;
    const email = change.acme_email ?? undefined;
    if (email !== undefined && !isEmail(email)) throw new Failure("invalid", `not an e-mail address: ${email}`);
    const wanted = change.backend ?? undefined;
    const backend = BACKENDS.find((name) => name === wanted);
    if (wanted !== undefined && backend === undefined) {
      throw new Failure("conflict", `this daemon has no proxy called ${wanted}; it has ${BACKENDS.join(", ")}`);
    }
    refuseFixed("--proxy-backend", this.#fixed.backend, backend);
    refuseFixed("--acme-email", this.#fixed.acmeEmail, email);
    for (;;) {
      const entry = await store.get<StoredChoice>(KEY);
      const next: StoredChoice = {
        ...entry?.value,
        ...(backend === undefined ? {} : { backend }),
        ...(email === undefined ? {} : { acmeEmail: email }),
      };
      const operations: Operation[] = [
        { put: KEY, value: next },
        auditOperation(this.#deps, { ...by, action: "proxy.update", target: backend ?? this.backend }),
      ];
      if (!await store.commit(operations, [entry ?? { key: KEY, revision: 0 }])) continue;
      return {
        backend: this.#fixed.backend ?? next.backend ?? DEFAULT_BACKEND,
        acme_email: this.#fixed.acmeEmail ?? next.acmeEmail ?? null,
      };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stored[Symbol.asyncDispose]();
  }

  get #current(): StoredChoice {
    return this.#stored.all.get("") ?? {};
  }
}

function refuseFixed(flag: string, fixed: string | undefined, wanted: string | undefined): void {
  if (fixed === undefined || wanted === undefined || wanted === fixed) return;
  throw new Failure("conflict", `helyosd was started with ${flag} ${fixed}; change it there`);
}
