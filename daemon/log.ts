/**
 * The daemon's log: one human or JSON line per event on standard error, without secrets.
 *
 * @module
 */
import { configureSync, getLogger, type LogRecord } from "@logtape/logtape";

/** How lines look. */
export type LogFormat = "human" | "json";

/** Least important first. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** What goes with an event. Never a secret; one that slips in is blotted out. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Writes events. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Options for {@linkcode openLog}. */
export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  /** Takes a whole line. */
  readonly write: (line: string) => void;
}

const TOKEN = /nxa(-api)?_[A-Za-z0-9_-]{4,}/g;
const PRIVATE_KEY = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[\s\S]*?(-----END \1PRIVATE KEY-----|$)/g;

/** Secrets that look like nothing in particular: the operator's own token. */
const hidden = new Set<string>();

/** Blots a secret out of everything that is written from now on. */
export function hideSecret(secret: string): void {
  // A shorter one would blot out words; it is no secret anyway
  if (secret.length >= 8) hidden.add(secret);
}

/** A text without the secrets in it: tokens, join tokens, private keys, and what {@linkcode hideSecret} was given. */
export function scrub(text: string): string {
  let clean = text.replace(TOKEN, "nxa$1_…").replace(PRIVATE_KEY, "-----BEGIN $1PRIVATE KEY-----…");
  for (const secret of hidden) clean = clean.replaceAll(secret, "…");
  return clean;
}

/** Starts the log. There is one for the process. */
export function openLog({ format, level, write }: LogOptions): Log {
  const line = format === "json" ? jsonLine : humanLine;
  configureSync({
    reset: true,
    sinks: { stderr: (record) => write(scrub(line(record)) + "\n") },
    loggers: [
      { category: ["helyosd"], sinks: ["stderr"], lowestLevel: level === "warn" ? "warning" : level },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
  const logger = getLogger(["helyosd"]);
  // The message is a value of the template, so that braces in it mean nothing
  const writer = (method: "debug" | "info" | "warn" | "error") => (message: string, fields?: LogFields) => {
    (fields === undefined ? logger : logger.with(fields))[method]`${message}`;
  };
  return { debug: writer("debug"), info: writer("info"), warn: writer("warn"), error: writer("error") };
}

function jsonLine(record: LogRecord): string {
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: levelName(record),
    target: record.category.join("."),
    message: messageOf(record),
    ...record.properties,
  });
}

function humanLine(record: LogRecord): string {
  const fields = Object.entries(record.properties).map(([key, value]) => ` ${key}=${fieldText(value)}`).join("");
  const time = new Date(record.timestamp).toISOString();
  const level = levelName(record).toUpperCase().padStart(5);
  return `${time} ${level} ${record.category.join(".")}: ${visible(messageOf(record))}${fields}`;
}

function levelName(record: LogRecord): string {
  return record.level === "warning" ? "warn" : record.level;
}

function messageOf(record: LogRecord): string {
  return record.message.map((part) => typeof part === "string" ? part : String(part)).join("");
}

function fieldText(value: unknown): string {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? visible(text) : visible(JSON.stringify(text));
}

/** Line breaks are indented and other control characters shown, so that no text can pose as an event of its own. */
function visible(text: string): string {
  return text.replace(/\r?\n/g, "\n  ").replace(
    /(?!\n)\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
