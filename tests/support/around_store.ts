/**
 * A store with some of its methods replaced, for faults and counts.
 *
 * @module
 */
import type { Store } from "../../daemon/store/store.ts";

/** `real`, but for the methods in `instead`. */
export function aroundStore(real: Store, instead: Partial<Store>): Store {
  return Object.assign(Object.create(real), {
    get: real.get.bind(real),
    list: real.list.bind(real),
    commit: real.commit.bind(real),
    watch: real.watch.bind(real),
    lock: real.lock.bind(real),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
    ...instead,
  });
}
