/**
 * The outside world as the commands see it: terminal, environment, clock, named files.
 *
 * @module
 */

/** Where text goes. */
export interface TextSink {
  /** Whether a person is looking. */
  readonly isTerminal: boolean;
  /** Columns of the terminal; 80 when there is none. */
  readonly columns: number;
  /** Writes all of `text`. */
  write(text: string): void;
}

/** Where text comes from. */
export interface TextSource {
  /** Whether a person is typing. */
  readonly isTerminal: boolean;
  /** The next line without its line break; undefined at the end. */
  readLine(): Promise<string | undefined>;
  /** Raw bytes while `read` runs with echo off, restored afterwards whatever happens. */
  raw<T>(read: (next: () => Promise<Uint8Array | undefined>) => Promise<T>): Promise<T>;
}

/** What commands may touch. Tests give their own. */
export interface Io {
  /** Standard input. */
  readonly stdin: TextSource;
  /** Standard output: the answer. */
  readonly stdout: TextSink;
  /** Standard error: the commentary. */
  readonly stderr: TextSink;
  /** A variable of the environment; undefined when unset or empty. */
  env(name: string): string | undefined;
  /** The time. */
  now(): Date;
  /** The bytes of a file the user named; relative to the folder the user stands in. Throws what the system throws. */
  readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
}
