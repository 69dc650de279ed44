/**
 * The tables of `state.db` and how they came to be, one numbered step after the other.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { StoreError } from "./store.ts";

/** "HLYS": marks the file as ours, see `PRAGMA application_id`. */
const APPLICATION_ID = 0x484c5953;

/** Step N takes a database from version N to N + 1. Never edit one that was released: add the next. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE entries (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
  -- What other processes changed: watchers read it from their last revision on; old rows are pruned
  CREATE TABLE changes (revision INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (revision, key))
    STRICT, WITHOUT ROWID;
  CREATE TABLE lock_expiries (name TEXT NOT NULL PRIMARY KEY, expires_at INTEGER NOT NULL, ttl_ms INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE TABLE counters (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('revision', 0);
  `,
];

/** The version this program reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/**
 * Brings an open database to {@linkcode SCHEMA_VERSION}, each step in a transaction of its own.
 *
 * @throws {StoreError} `newer` if a later program wrote it, `corrupt` if it is some other program's database.
 */
export function migrate(db: DatabaseSync, path: string): void {
  refuseForeign(db, path);
  for (;;) {
    db.exec("BEGIN IMMEDIATE"); // another process may be migrating: look again once we have the write lock
    try {
      const version = pragma(db, "user_version");
      const step = MIGRATIONS[version];
      if (step !== undefined) {
        db.exec(`${step}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}`);
      }
      db.exec("COMMIT");
      if (step === undefined) return;
    } catch (error) {
      // A full disk may have ended the transaction already; then there is nothing to undo
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}

/** Refuses a database that this program must not touch; an empty one passes. */
export function refuseForeign(db: DatabaseSync, path: string): void {
  const version = pragma(db, "user_version");
  const application = pragma(db, "application_id");
  if (version > SCHEMA_VERSION && application === APPLICATION_ID) {
    throw new StoreError(
      "newer",
      `${path} was written by a newer Helyos (schema ${version}, this one knows ${SCHEMA_VERSION}): install that version or newer; nothing was changed`,
    );
  }
  const empty = version === 0 && application === 0 &&
    (db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }).n === 0;
  if (!empty && application !== APPLICATION_ID) {
    throw new StoreError("corrupt", `${path} is not a Helyos database: move it away; nothing was changed`);
  }
}

function pragma(db: DatabaseSync, name: "user_version" | "application_id"): number {
  return (db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name]!;
}
