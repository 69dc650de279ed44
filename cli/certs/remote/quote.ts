/**
 * Words for a POSIX shell.
 *
 * @module
 */

/**
 * One word that a POSIX shell takes literally, whatever is in it: in single quotes, where nothing but the single quote itself
 * has a meaning (POSIX.1-2024, Shell Command Language 2.2.2).
 *
 * @param text The word.
 * @returns The same, quoted.
 * @throws {TypeError} If it has a NUL, which no argument can hold.
 */
export function quote(text: string): string {
  if (text.includes("\0")) throw new TypeError("a word of a command cannot hold a NUL");
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * A command line from its words.
 *
 * @param words Program and arguments.
 * @returns What a POSIX shell splits into exactly these words.
 */
export function commandLine(words: readonly string[]): string {
  return words.map(quote).join(" ");
}
