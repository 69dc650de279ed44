/**
 * Whether something read from a file is a map.
 *
 * @param value Anything.
 * @returns Whether it has fields.
 */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
