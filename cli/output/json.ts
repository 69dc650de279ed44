/**
 * What `--json` prints.
 *
 * @module
 */

/** Characters that JSON allows raw but a terminal would obey or hide: DEL, C1 controls, separators, formatting. */
const RAW_BUT_UNSAFE = /[\x7f-\x9f\u2028\u2029]|(?![\u200c\u200d])\p{Cf}/gu;

function alphabetical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(alphabetical);
  if (typeof value !== "object" || value === null) return value;
  const sorted: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(value).sort(byCodePoint)) {
    sorted[key] = alphabetical((value as Record<string, unknown>)[key]);
  }
  return sorted;
}

function byCodePoint(a: string, b: string): number {
  const left = Array.from(a, (character) => character.codePointAt(0) ?? 0);
  const right = Array.from(b, (character) => character.codePointAt(0) ?? 0);
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** How {@linkcode json} orders keys. */
export interface JsonOptions {
  /**
   * `alphabetical`, or `model` to keep the order the value has: lists of a model come out of their schema in the order of its fields.
   * @default {"alphabetical"}
   */
  readonly order?: "alphabetical" | "model";
}

/**
 * Pretty-printed JSON: two spaces, keys in order, one line break at the end. Characters a terminal would obey are
 * written as `\u` escapes, which every JSON reader turns back.
 *
 * @param value What to print.
 * @param options The order of keys.
 * @returns The text.
 */
export function json(value: unknown, options: JsonOptions = {}): string {
  const ordered = options.order === "model" ? value : alphabetical(value);
  const text = JSON.stringify(ordered, null, 2) ?? "null";
  return `${text.replace(RAW_BUT_UNSAFE, escapeUnits)}\n`;
}

function escapeUnits(character: string): string {
  let escaped = "";
  for (let at = 0; at < character.length; at++) {
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}
