/**
 * Many machines at once: those of one machine one after the other, several machines side by side.
 *
 * @module
 */

/** So many machines at once: enough to hide waiting, few enough for a small network. */
const MACHINES_AT_ONCE = 8;

/**
 * Does work for every item; items of one lane go one after the other, in order.
 *
 * @param items The items.
 * @param laneOf Which lane an item belongs to.
 * @param work What to do; must not throw.
 */
export async function inLanes<T>(
  items: readonly T[],
  laneOf: (item: T) => string,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const lanes = [...Map.groupBy(items, laneOf).values()];
  const walkers = Array.from({ length: Math.min(MACHINES_AT_ONCE, lanes.length) }, async () => {
    for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift()) {
      for (const item of lane) await work(item);
    }
  });
  await Promise.all(walkers);
}
