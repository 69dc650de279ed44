/**
 * Builds data directories as the original daemon leaves them: its schema, its files, its modes.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";

const SCHEMA = `
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys = ON;
CREATE TABLE projects (name TEXT PRIMARY KEY, status TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE deployments (id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES projects(name) ON DELETE CASCADE,
  name TEXT NOT NULL, spec_json TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  UNIQUE(project, name));
CREATE TABLE pods (id TEXT PRIMARY KEY, deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
  project TEXT NOT NULL, deployment_name TEXT NOT NULL, replica_index INTEGER NOT NULL, container_id TEXT,
  status TEXT NOT NULL, image TEXT NOT NULL, restart_count INTEGER NOT NULL, created_at TEXT NOT NULL, container_ip TEXT,
  node_id TEXT);
CREATE TABLE nodes (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, address TEXT NOT NULL, role TEXT NOT NULL,
  status TEXT NOT NULL, cpu_cores REAL, memory_bytes INTEGER, cpu_available REAL, memory_available INTEGER,
  running_pods INTEGER, last_heartbeat TEXT, joined_at TEXT);
CREATE TABLE cluster_config (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE api_tokens (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, token_hash TEXT NOT NULL, token_prefix TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT 'admin', created_at TEXT NOT NULL, expires_at TEXT, last_used_at TEXT, revoked_at TEXT);
CREATE INDEX idx_api_tokens_prefix ON api_tokens(token_prefix);
`;

/** A row of `api_tokens`; what is left out gets a plausible value. */
export interface OriginalTokenRow {
  readonly id?: string;
  readonly name: string;
  readonly token_hash: string;
  readonly token_prefix?: string;
  readonly scope?: string;
  readonly created_at?: string;
  readonly expires_at?: string | null;
  readonly last_used_at?: string | null;
  readonly revoked_at?: string | null;
}

/** What the directory is to hold. */
export interface OriginalOptions {
  readonly tokens?: readonly OriginalTokenRow[];
  readonly projects?: readonly { readonly name: string; readonly status: string; readonly created_at?: string }[];
  readonly config?: Readonly<Record<string, string>>;
  /** `master.key`; none when absent. */
  readonly masterKey?: Uint8Array;
  /** `http-ca.pem`, `http-server.pem`, `http-server-key.pem`. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Leaves the rows in the write-ahead log, as an original that was killed does. */
  readonly killed?: boolean;
}

/** Fills an empty folder. */
export async function writeOriginalDataDir(folder: string, options: OriginalOptions = {}): Promise<void> {
  const built = options.killed ? await Deno.makeTempDir() : folder;
  const db = new DatabaseSync(`${built}/helyos.db`);
  db.exec(SCHEMA);
  if (options.killed) db.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint = 0");
  const token = db.prepare("INSERT INTO api_tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const row of options.tokens ?? []) {
    token.run(
      row.id ?? crypto.randomUUID(),
      row.name,
      row.token_hash,
      row.token_prefix ?? "legacy",
      row.scope ?? "admin",
      row.created_at ?? "2026-01-01T00:00:00.123456789+00:00",
      row.expires_at ?? null,
      row.last_used_at ?? null,
      row.revoked_at ?? null,
    );
  }
  const project = db.prepare("INSERT INTO projects VALUES (?, ?, ?)");
  for (const row of options.projects ?? []) project.run(row.name, row.status, row.created_at ?? "2026-01-01T00:00:00Z");
  const config = db.prepare("INSERT INTO cluster_config VALUES (?, ?)");
  for (const [key, value] of Object.entries(options.config ?? {})) config.run(key, value);
  if (options.killed) {
    for (const suffix of ["", "-wal"]) {
      await Deno.copyFile(`${built}/helyos.db${suffix}`, `${folder}/helyos.db${suffix}`);
    }
  }
  db.close();
  if (options.killed) await Deno.remove(built, { recursive: true });
  await Deno.chmod(`${folder}/helyos.db`, 0o644);
  if (options.masterKey) await Deno.writeFile(`${folder}/master.key`, options.masterKey, { mode: 0o600 });
  if (options.tls) {
    await Deno.writeTextFile(`${folder}/http-ca.pem`, options.tls.ca, { mode: 0o644 });
    await Deno.writeTextFile(`${folder}/http-server.pem`, options.tls.cert, { mode: 0o644 });
    await Deno.writeTextFile(`${folder}/http-server-key.pem`, options.tls.key, { mode: 0o644 });
  }
}

/** Everything about each file of a folder that taking over must not change. */
export async function fingerprintFiles(folder: string, names?: readonly string[]): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || (names !== undefined && !names.includes(name))) continue;
    const path = `${folder}/${name}`;
    const { mtime, mode, ino, size } = await Deno.stat(path);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex();
    files[name] = [hash, mtime?.getTime(), mode, ino, size].join(" ");
  }
  return files;
}
