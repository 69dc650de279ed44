/**
 * Projects as they are stored: `projects/<name>` holds a {@linkcode StoredProject}.
 *
 * @module
 */
import type { Operation } from "../store/store.ts";

/** A project as it is stored. */
export interface StoredProject {
  readonly name: string;
  readonly status: "active" | "suspended";
  /** RFC 3339. */
  readonly createdAt: string;
}

/** What the keys of all projects start with. */
export const PROJECTS = "projects/";

/** Key of a project. */
export function projectKey(name: string): string {
  return `${PROJECTS}${name}`;
}

/** The operation that stores a project. */
export function storeProject(project: StoredProject): Operation {
  return { put: projectKey(project.name), value: project };
}
