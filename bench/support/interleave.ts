/**
 * Times programs against one another: one run of each in turn, so that whatever else the machine does hits all alike.
 *
 * @module
 */

/** A program to time. */
export interface Contender {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Median wall time of each, in milliseconds. */
export async function medianTimes<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  rounds: number,
): Promise<Record<Name, number>> {
  const names = Object.keys(contenders) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const elapsed = await time(contenders[name]);
      if (round >= 0) times[name].push(elapsed); // The first round fills the caches.
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<Name, number>;
}

async function time({ program, args, env }: Contender): Promise<number> {
  const command = new Deno.Command(program, { args: [...args], env: { ...env }, clearEnv: true, stdin: "null" });
  const start = performance.now();
  const { success, stderr } = await command.output();
  const elapsed = performance.now() - start;
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
  return elapsed;
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
