/**
 * A token feature on a real store, with a clock that stands still and a hasher that costs nothing.
 */
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import type { Store } from "../../../daemon/store/store.ts";
import type { Origin } from "../../../daemon/server/exchange.ts";
import { FailureLimit } from "../../../daemon/tokens/attempts.ts";
import type { Hasher, Turn } from "../../../daemon/tokens/hasher.ts";
import type { TokenDeps } from "../../../daemon/tokens/tokens.ts";
import { TokenVerifier } from "../../../daemon/tokens/verifier.ts";

/** Counts what Argon2id would have been asked. */
export class PlainHasher implements Hasher {
  verified = 0;
  /** Runs while a verification is under way. */
  during: () => Promise<void> = () => Promise.resolve();

  hash(secret: string): Promise<string> {
    return Promise.resolve(`plain:${secret}`);
  }
  async verify(secret: string, phc: string, turn: Turn): Promise<boolean> {
    turn.admit?.();
    this.verified++;
    await this.during();
    return phc === `plain:${secret}`;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

export interface World extends AsyncDisposable {
  readonly deps: TokenDeps;
  readonly store: Store;
  readonly hasher: PlainHasher;
  readonly verifier: TokenVerifier;
  /** Moves both clocks. */
  pass(ms: number): void;
  /** Moves the wall clock alone. */
  setBack(ms: number): void;
  /** A request of this instant. */
  from(address: string): Origin;
  /** `ok` or the code of the refusal. */
  present(token: string, address?: string): Promise<string>;
  readonly errors: unknown[];
  /** How long each refusal was held back. */
  readonly held: number[];
}

export const BY = { actor: "admin", address: "192.0.2.1" };

export async function openWorld(path = ":memory:"): Promise<World> {
  const store = await openSqliteStore(path, { pollMs: 10 });
  const hasher = new PlainHasher();
  let wall = Date.UTC(2026, 5, 7, 12);
  let steady = 0;
  const errors: unknown[] = [];
  const held: number[] = [];
  const now = () => new Date(wall);
  const clock = () => steady;
  const from = (address: string): Origin => ({ address, receivedMs: steady });
  const verifier = new TokenVerifier({
    store,
    hasher,
    now,
    clock,
    pause(ms) {
      held.push(ms);
      return Promise.resolve();
    },
    limit: new FailureLimit({ clock }),
    onError: (error) => void errors.push(error),
  });
  return {
    deps: { store, hasher, now, forget: (ids) => verifier.forget(ids) },
    store,
    hasher,
    verifier,
    errors,
    held,
    from,
    pass(ms) {
      wall += ms;
      steady += ms;
    },
    setBack(ms) {
      wall -= ms;
    },
    async present(token, address = "198.51.100.9") {
      try {
        await verifier.authenticate(token, from(address));
        return "ok";
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    },
    async [Symbol.asyncDispose]() {
      await verifier[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error("the condition did not come to hold");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
