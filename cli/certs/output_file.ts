/**
 * Answers that go to standard output, or to a file the user named.
 *
 * @module
 */
import type { Surroundings } from "../command.ts";
import { sayDone } from "../say.ts";
import { replaceFile } from "./files.ts";

/**
 * Writes an answer to a file, whole or not at all, and says so.
 *
 * @param surroundings The invocation.
 * @param file The file, its permissions, and what is told of it.
 * @param content The answer.
 * @throws {CliError} If it cannot be written.
 */
export async function writeAnswer(
  surroundings: Surroundings,
  file: {
    readonly path: string;
    readonly mode: number;
    readonly done: string;
    readonly facts: Record<string, unknown>;
  },
  content: string | Uint8Array,
): Promise<void> {
  await replaceFile(file.path, content, file.mode);
  sayDone(surroundings, `${file.done}\n  ${file.path}`, { ...file.facts, path: file.path });
}
