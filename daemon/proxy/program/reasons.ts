/**
 * What programs say when they end, in words for people.
 *
 * @module
 */
import type { Plan } from "./driver.ts";
import { hostPort } from "./ports.ts";

const CAUSES: readonly (readonly [RegExp, string])[] = [
  [/address already in use/i, "the address is in use"],
  [/permission denied/i, "the system does not let this user listen there"],
  [/cannot assign requested address/i, "this machine has no such address"],
];

/**
 * Why a program does not serve.
 *
 * @param title What the program is called.
 * @param lines What it said, the last one last; at least one.
 * @param plan What it was told to serve.
 */
export function whyDown(title: string, lines: readonly string[], plan: Pick<Plan, "http" | "https">): string {
  for (const line of lines) {
    // Not an upstream that refused a connection
    if (!/\b(bind|listen)/i.test(line)) continue;
    const [, cause] = CAUSES.find(([pattern]) => pattern.test(line)) ?? [];
    if (cause === undefined) continue;
    const address = [plan.http, plan.https].map(hostPort).find((text) => line.includes(text));
    if (address !== undefined) return `cannot listen on ${address}: ${cause}`;
    const port = [plan.http, plan.https].find((one) => new RegExp(`:${one.port}\\b`).test(line));
    if (port !== undefined) return `cannot listen on ${hostPort(port)}: ${cause}`;
  }
  return `${title}: ${lines.at(-1)}`;
}
