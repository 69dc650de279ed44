/**
 * The suite every adapter of the store port must pass.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import type { Change, Store } from "../../../daemon/store/store.ts";

/** Where one store lives, empty at first. */
export interface Place extends AsyncDisposable {
  /** Opens the store; twice gives two handles on the same one, as two processes would have. */
  open(options: { now: () => Date }): Promise<Store>;
}

/** Registers the suite for one adapter. */
export function testStore(adapter: string, newPlace: () => Promise<Place>): void {
  const test = (name: string, body: (place: Place, store: Store, clock: Clock) => Promise<void>) =>
    Deno.test(`${adapter}: ${name}`, async () => {
      await using place = await newPlace();
      const clock = new Clock();
      await using store = await place.open({ now: clock.now });
      await body(place, store, clock);
    });

  test("commit() refuses keys and values it could not give back", async (_, store) => {
    for (const key of ["", "a\0b", "\ud800", "k".repeat(1025)]) {
      await rejects(() => store.commit([{ put: key, value: 1 }]), TypeError);
      await rejects(() => store.get(key), TypeError);
    }
    await rejects(() => store.commit([{ put: "a", value: undefined }]), TypeError);
    await rejects(() => store.commit([{ put: "a", value: 1n }]), TypeError);
    await rejects(() => store.commit([{ put: "a", value: 1 }, { delete: "a" }]), TypeError);
    await rejects(() => store.commit([{ put: "locks/a", value: 1 }]), TypeError);
    deepEqual(await store.list(""), []);
  });

  test("commit() makes all changes or none", async (_, store) => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await rejects(() => store.commit([{ put: "a", value: 1 }, { put: "b", value: circular }]), TypeError);
    equal(await store.commit([{ put: "a", value: 1 }], [{ key: "b", revision: 7 }]), false);
    equal(await store.get("a"), undefined);
    equal(await store.commit([{ put: "a", value: 1 }, { put: "b", value: [2] }, { delete: "c" }]), true);
    deepEqual((await store.list("")).map(({ key, value }) => [key, value]), [["a", 1], ["b", [2]]]);
  });

  test("commit() refuses when a guarded key is not at its revision", async (_, store) => {
    equal(await store.commit([{ put: "a", value: 1 }], [{ key: "a", revision: 0 }]), true);
    equal(await store.commit([{ put: "a", value: 2 }], [{ key: "a", revision: 0 }]), false);
    const first = await store.get("a");
    equal(await store.commit([{ put: "a", value: 2 }], [{ key: "a", revision: first!.revision }]), true);
    equal(await store.commit([{ delete: "a" }], [{ key: "a", revision: first!.revision }]), false);
    equal((await store.get("a"))!.value, 2);
  });

  test("commit() never repeats a revision, also when a key comes back", async (_, store) => {
    const seen = new Set<number>();
    for (let round = 0; round < 3; round++) {
      await store.commit([{ put: "a", value: 1 }]);
      seen.add((await store.get("a"))!.revision);
      await store.commit([{ delete: "a" }]);
    }
    equal(seen.size, 3);
    ok([...seen].every((revision) => revision > 0));
    equal(await store.commit([{ put: "a", value: 1 }], [{ key: "a", revision: [...seen][0]! }]), false);
  });

  test("commit() with nothing but guards tells whether they hold", async (_, store) => {
    equal(await store.commit([], [{ key: "a", revision: 0 }]), true);
    await store.commit([{ put: "a", value: 1 }]);
    equal(await store.commit([], [{ key: "a", revision: 0 }]), false);
  });

  test("commit() lets one of many at once win", async (place, store, clock) => {
    await using other = await place.open({ now: clock.now });
    const tries = Array.from(
      { length: 20 },
      (_, n) => (n % 2 ? store : other).commit([{ put: "a", value: n }], [{ key: "a", revision: 0 }]),
    );
    equal((await Promise.all(tries)).filter(Boolean).length, 1);
  });

  test("get() gives a value that is not shared", async (_, store) => {
    const value = { list: [1, null, "ü", 1.5, { deep: true }] };
    await store.commit([{ put: "a", value }]);
    value.list.push("later");
    const read = (await store.get<typeof value>("a"))!.value;
    deepEqual(read.list, [1, null, "ü", 1.5, { deep: true }]);
    read.list.pop();
    equal((await store.get<typeof value>("a"))!.value.list.length, 5);
    equal(await store.get("missing"), undefined);
  });

  test("list() walks a prefix in byte order, both ways, within bounds", async (_, store) => {
    // U+FF5E sorts after U+1F600 in UTF-16 and before it in UTF-8
    const keys = [
      "a/",
      "a/1",
      "a/10",
      "a/2",
      "a/Z",
      "a/z",
      "a/ü",
      "a/\uff5e",
      "a/\u{1f600}",
      "a/\u{10ffff}x",
      "a0",
      "b/1",
    ];
    await store.commit(keys.toReversed().map((key) => ({ put: key, value: key })));
    const list = async (options?: Parameters<Store["list"]>[1]) =>
      (await store.list("a/", options)).map((entry) => entry.key);
    const below = keys.slice(0, 10);
    deepEqual(await list(), below);
    deepEqual(await list({ reverse: true }), below.toReversed());
    deepEqual(await list({ limit: 2 }), ["a/", "a/1"]);
    deepEqual(await list({ limit: 0 }), []);
    deepEqual(await list({ after: "a/10", limit: 2 }), ["a/2", "a/Z"]);
    deepEqual(await list({ after: "a/1", until: "a/Z" }), ["a/10", "a/2"]);
    deepEqual(await list({ after: "a/1", until: "a/Z", reverse: true, limit: 1 }), ["a/2"]);
    deepEqual((await store.list("")).length, keys.length);
    deepEqual(await store.list("nothing"), []);
    await rejects(() => store.list("", { limit: -1 }), RangeError);
    await rejects(() => store.list("", { limit: 1.5 }), RangeError);
  });

  test("watch() tells what changed since it was called, here and in another process", async (place, store, clock) => {
    await using other = await place.open({ now: clock.now });
    await store.commit([{ put: "w/before", value: 1 }]);
    const stop = new AbortController();
    const changes = store.watch("w/", stop.signal);
    await store.commit([{ put: "w/here", value: 1 }, { put: "elsewhere", value: 1 }]);
    equal((await changes.next()).value.key, "w/here");
    await other.commit([{ put: "w/there", value: 1 }]);
    equal(await keyAfter(changes, ["w/here"]), "w/there");
    await other.commit([{ delete: "w/before" }]);
    equal(await keyAfter(changes, ["w/here", "w/there"]), "w/before");
    stop.abort();
    equal((await changes.next()).done, true);
  });

  test("watch() ends on abort, on break and when the store closes", async (place, store, clock) => {
    equal((await store.watch("", AbortSignal.abort()).next()).done, true);
    for await (const _change of watchAfter(store, () => store.commit([{ put: "a", value: 1 }]))) break;
    const stop = new AbortController();
    const aborted = store.watch("", stop.signal).next();
    stop.abort();
    equal((await aborted).done, true);
    const other = await place.open({ now: clock.now });
    const closing = other.watch("").next();
    await other[Symbol.asyncDispose]();
    equal((await closing).done, true);
  });

  test("watch() tells a slow consumer each key once", async (_, store) => {
    const changes = store.watch("w/");
    for (let n = 0; n < 100; n++) await store.commit([{ put: `w/${n % 2}`, value: n }]);
    deepEqual([(await changes.next()).value.key, (await changes.next()).value.key], ["w/0", "w/1"]);
    const pending = changes.next();
    await store.commit([{ put: "w/last", value: 1 }]);
    equal((await pending).value.key, "w/last");
    await changes.return?.();
  });

  test("lock() is one holder's at a time and its fence only grows", async (place, store, clock) => {
    await using other = await place.open({ now: clock.now });
    const first = await store.lock("l", { ttlMs: 60_000 });
    let taken = false;
    const waiting = other.lock("l", { ttlMs: 60_000 }).then((lock) => (taken = true, lock));
    await using unrelated = await other.lock("other", { ttlMs: 60_000 });
    ok(unrelated.fence > 0);
    equal(taken, false);
    await first.release();
    const second = await waiting;
    ok(second.fence > first.fence);
    equal(await store.commit([{ put: "a", value: 1 }], [first.guard]), false);
    equal(await store.commit([{ put: "a", value: 1 }], [second.guard]), true);
    await second.release();
    await using third = await store.lock("l", { ttlMs: 60_000 });
    ok(third.fence > second.fence);
  });

  test("lock() frees what its holder did not renew, and the late holder is refused", async (place, store, clock) => {
    await using other = await place.open({ now: clock.now });
    const first = await store.lock("l", { ttlMs: 10_000 });
    clock.advance(9_000);
    await first.renew();
    clock.advance(9_000);
    const early = other.lock("l", { ttlMs: 10_000, signal: AbortSignal.timeout(50) });
    await rejects(() => early, { name: "TimeoutError" });
    equal(await store.commit([], [first.guard]), true);
    clock.advance(1_001);
    const second = await other.lock("l", { ttlMs: 10_000 });
    await rejects(() => first.renew(), { code: "lock_lost" });
    await first.release(); // must not free the lock of another
    equal(await store.commit([{ put: "a", value: "late" }], [first.guard]), false);
    equal(await store.commit([{ put: "a", value: "good" }], [second.guard]), true);
  });

  test("lock() survives a clock that goes back", async (place, store, clock) => {
    await using other = await place.open({ now: clock.now });
    await store.lock("l", { ttlMs: 100 });
    clock.advance(-86_400_000);
    await using _lock = await other.lock("l", { ttlMs: 100, signal: AbortSignal.timeout(10_000) });
  });

  test("lock() refuses nonsense and stops waiting on abort", async (_, store) => {
    for (const ttlMs of [0, -1, NaN, Infinity]) await rejects(() => store.lock("l", { ttlMs }), RangeError);
    await rejects(
      () => store.lock("", { ttlMs: 1 }).then((lock) => lock.release().then(() => store.lock("\0", { ttlMs: 1 }))),
      TypeError,
    );
    await rejects(() => store.lock("l", { ttlMs: 1, signal: AbortSignal.abort() }), { name: "AbortError" });
    await using _held = await store.lock("l", { ttlMs: 60_000 });
    const stop = new AbortController();
    const waiting = store.lock("l", { ttlMs: 1, signal: stop.signal });
    stop.abort();
    await rejects(() => waiting, { name: "AbortError" });
  });

  test("every method refuses after closing", async (place, _, clock) => {
    const store = await place.open({ now: clock.now });
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rejects(() => store.get("a"), { code: "closed" });
    await rejects(() => store.commit([{ put: "a", value: 1 }]), { code: "closed" });
    await rejects(() => store.lock("l", { ttlMs: 1 }), { code: "closed" });
    throws(() => store.watch("a"), { code: "closed" });
  });

  test("what was committed is there after closing and opening again", async (place, _, clock) => {
    const store = await place.open({ now: clock.now });
    await store.commit([{ put: "kept", value: { n: 1 } }]);
    const before = await store.get("kept");
    const lock = await store.lock("l", { ttlMs: 1 });
    await store[Symbol.asyncDispose]();
    clock.advance(2);
    await using again = await place.open({ now: clock.now });
    deepEqual(await again.get("kept"), before);
    ok((await again.lock("l", { ttlMs: 1 })).fence > lock.fence);
  });
}

/** A clock that tests move by hand. */
export class Clock {
  #ms = Date.UTC(2030, 0, 1);
  readonly now = (): Date => new Date(this.#ms);
  advance(ms: number): void {
    this.#ms += ms;
  }
}

/** The next key told that is not one of these; a change may be told more than once. */
async function keyAfter(changes: AsyncIterator<Change>, told: readonly string[]): Promise<string> {
  for (;;) {
    const { value } = await changes.next();
    if (!told.includes(value.key)) return value.key;
  }
}

async function* watchAfter(store: Store, act: () => Promise<unknown>): AsyncGenerator<Change> {
  const changes = store.watch("");
  await act();
  yield* changes;
}
