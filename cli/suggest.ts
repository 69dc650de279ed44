/**
 * What somebody may have meant.
 *
 * @module
 */

/**
 * Names close to what was typed: one slip in short words, one in three letters in long ones, or a common beginning.
 *
 * @param typed What was typed.
 * @param names What exists.
 * @returns The closest first, at most three.
 */
export function similar(typed: string, names: readonly string[]): string[] {
  const wanted = typed.toLowerCase();
  const near: { name: string; distance: number }[] = [];
  for (const name of names) {
    const most = Math.max(1, Math.floor(Math.max(wanted.length, name.length) / 3));
    const distance = slips(wanted, name.toLowerCase());
    if (distance <= most) near.push({ name, distance });
    else if (wanted.length > 2 && name.startsWith(wanted)) near.push({ name, distance: most + 1 });
  }
  return near.sort((a, b) => a.distance - b.distance).slice(0, 3).map(({ name }) => name);
}

/** Letters added, dropped, changed or swapped with their neighbour (optimal string alignment). */
function slips(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(current[column - 1]! + 1, previous[column]! + 1, previous[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, before[column - 2]! + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}
