/**
 * The one rule for names people give to things.
 *
 * @module
 */
import { z } from "zod";

/** Longest name, in characters. */
export const MAX_NAME_LENGTH = 253;

/**
 * A schema for a name: not blank, at most {@linkcode MAX_NAME_LENGTH} characters, all of them printable, and neither `.` nor
 * `..`: as a segment of a path, these mean a place and not a name, however they are encoded (RFC 3986 §5.2.4), so that what
 * is called so could not be addressed again.
 *
 * @param label What the refusal calls it, for example `token name`.
 * @returns A zod schema that gives the name back unchanged.
 */
export function nameSchema(label: string): z.ZodType<string> {
  return z.string({ error: `${label} must be a string` })
    .refine((name) => name.trim() !== "", { error: `${label} must not be empty` })
    .refine((name) => name !== "." && name !== "..", { error: `${label} must not be . or ..` })
    .refine((name) => [...name].length <= MAX_NAME_LENGTH, {
      error: `${label} must be at most ${MAX_NAME_LENGTH} characters`,
    })
    .refine((name) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(name), { error: `${label} must be printable characters only` });
}
