/**
 * Failures as people and programs see them.
 *
 * @module
 */

/** Further facts about a {@linkcode CliError}. */
export interface CliErrorOptions extends ErrorOptions {
  /** What to try, one line. */
  readonly hint?: string | undefined;
  /**
   * Why, for a program: the `code` of the JSON error object.
   * @default {"failed"}
   */
  readonly code?: string | undefined;
  /**
   * Exit code.
   * @default {1}
   */
  readonly exitCode?: number | undefined;
}

/** A failure whose message is meant for the person at the terminal. Everything a command throws on purpose is one. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** What to try. */
  readonly hint: string | undefined;
  /** Why, for a program. */
  readonly code: string;
  /** What the process exits with. */
  readonly exitCode: number;

  /**
   * @param message What could not be done and the value at hand; no full stop.
   * @param options Hint, code, exit code and cause.
   */
  constructor(message: string, options: CliErrorOptions = {}) {
    super(message, options);
    this.hint = options.hint;
    this.code = options.code ?? "failed";
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The command line itself makes no sense: printed with the usage line, exit 2. */
export class UsageError extends CliError {
  /** The usage line to print below. */
  readonly usage: string | undefined;

  /**
   * @param message What is wrong with the command line.
   * @param options Usage line and hint.
   */
  constructor(message: string, options: { usage?: string | undefined; hint?: string | undefined } = {}) {
    super(message, { ...options, code: "usage", exitCode: 2 });
    this.usage = options.usage;
  }
}

/**
 * Why a file could not be read or written, without what the runtime adds for programmers.
 *
 * @param error What the system threw.
 * @returns For example `no such file or folder`.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch (error.name) {
    case "NotFound":
      return "no such file or folder";
    case "PermissionDenied":
      return "permission denied";
    case "NotCapable":
      return "this program was started without permission to touch it";
    case "IsADirectory":
      return "it is a folder";
    default:
      return error.message.replace(/ \(os error \d+\).*$/s, "");
  }
}
