/**
 * Creates, suspends, resumes and deletes projects.
 *
 * @module
 */
import type { Project } from "@helyos/api";
import { auditOperation } from "../audit/records.ts";
import { Failure } from "../server/failure.ts";
import type { Entry, Store } from "../store/store.ts";
import { DEPLOYMENTS, ofProject } from "../workloads/records.ts";
import { projectKey, PROJECTS, type StoredProject, storeProject } from "./records.ts";

/** What projects need. */
export interface ProjectDeps {
  readonly store: Store;
  readonly now: () => Date;
}

/** Who changes a project, for the audit trail. */
export interface Actor {
  readonly actor: string;
  readonly address: string | null;
}

/** Every project, by name. */
export async function listProjects(store: Store): Promise<Project[]> {
  return (await store.list<StoredProject>(PROJECTS)).map((entry) => onTheWire(entry.value));
}

/**
 * Creates a project.
 *
 * @throws {Failure} `conflict` if its name is taken.
 */
export async function createProject(deps: ProjectDeps, name: string, by: Actor): Promise<Project> {
  const project: StoredProject = { name, status: "active", createdAt: deps.now().toISOString() };
  const committed = await deps.store.commit(
    [storeProject(project), auditOperation(deps, { ...by, action: "project.create", target: name })],
    [{ key: projectKey(name), revision: 0 }],
  );
  if (!committed) throw new Failure("conflict", `invalid deployment spec: project '${name}' already exists`);
  return onTheWire(project);
}

/**
 * Suspends or resumes a project. One that already is so stays as it is, and the audit trail as well.
 *
 * @throws {Failure} `not_found` if there is no such project.
 */
export async function setProjectStatus(
  deps: ProjectDeps,
  change: { readonly name: string; readonly status: StoredProject["status"] },
  by: Actor,
): Promise<void> {
  const { name, status } = change;
  const action = status === "active" ? "project.resume" : "project.suspend";
  for (;;) {
    const entry = await existing(deps.store, name);
    if (entry.value.status === status) return;
    const committed = await deps.store.commit(
      [storeProject({ ...entry.value, status }), auditOperation(deps, { ...by, action, target: name })],
      [entry],
    );
    if (committed) return;
  }
}

/**
 * Deletes a project that has no deployments.
 *
 * @throws {Failure} `not_found` if there is no such project, `conflict` if it has deployments.
 */
export async function deleteProject(deps: ProjectDeps, name: string, by: Actor): Promise<void> {
  for (;;) {
    const entry = await existing(deps.store, name);
    const [deployment] = await deps.store.list(ofProject(DEPLOYMENTS, name), { limit: 1 });
    if (deployment !== undefined) throw new Failure("conflict", `project not empty: ${name}`);
    const committed = await deps.store.commit(
      [{ delete: entry.key }, auditOperation(deps, { ...by, action: "project.delete", target: name })],
      [entry],
    );
    if (committed) return;
  }
}

async function existing(store: Store, name: string): Promise<Entry<StoredProject>> {
  const entry = await store.get<StoredProject>(projectKey(name));
  if (entry === undefined) throw new Failure("not_found", `project not found: ${name}`);
  return entry;
}

function onTheWire({ name, status, createdAt }: StoredProject): Project {
  return { name, status, created_at: createdAt };
}
