/**
 * Projects on the wire.
 *
 * @module
 */
import { z } from "zod";
import { ANY_SCOPE, DEPLOY_SCOPES, type Endpoint } from "./endpoint.ts";
import { nameSchema } from "./name.ts";

/** A project: the folder that deployments live in. */
export interface Project {
  /** Its name. */
  readonly name: string;
  /** Whether its deployments may run. */
  readonly status: "active" | "suspended";
  /** When it was created, RFC 3339. */
  readonly created_at: string;
}

const projectSchema: z.ZodType<Project> = z.object({
  name: z.string(),
  status: z.enum(["active", "suspended"]),
  created_at: z.string(),
});

const named = z.object({ name: z.string() });
const UNKNOWN = "no such project";

/** Every project. */
export const listProjects: Endpoint<Record<never, never>, Project[]> = {
  name: "project.list",
  summary: "Every project, by name",
  method: "GET",
  path: "/api/v1/projects",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  output: z.array(projectSchema),
};

/** Creates a project. */
export const createProject: Endpoint<{ readonly name: string }, Project> = {
  name: "project.create",
  summary: "Create a project",
  method: "POST",
  path: "/api/v1/projects",
  allow: DEPLOY_SCOPES,
  status: 201,
  answer: "json",
  input: z.object({ name: nameSchema("project name") }),
  output: projectSchema,
  refusals: { 409: "a project has this name", 422: "the name is blank, too long or not printable" },
};

/** Suspends a project: nothing of it runs until it is resumed. */
export const suspendProject: Endpoint<{ readonly name: string }, void> = {
  name: "project.suspend",
  summary: "Suspend a project; idempotent",
  method: "POST",
  path: "/api/v1/projects/{name}/suspend",
  allow: DEPLOY_SCOPES,
  status: 200,
  answer: "empty",
  input: named,
  refusals: { 404: UNKNOWN },
};

/** Resumes a suspended project. */
export const resumeProject: Endpoint<{ readonly name: string }, void> = {
  name: "project.resume",
  summary: "Resume a suspended project; idempotent",
  method: "POST",
  path: "/api/v1/projects/{name}/resume",
  allow: DEPLOY_SCOPES,
  status: 200,
  answer: "empty",
  input: named,
  refusals: { 404: UNKNOWN },
};

/** Deletes an empty project. */
export const deleteProject: Endpoint<{ readonly name: string }, void> = {
  name: "project.delete",
  summary: "Delete a project that has no deployments",
  method: "DELETE",
  path: "/api/v1/projects/{name}",
  allow: DEPLOY_SCOPES,
  status: 200,
  answer: "empty",
  input: named,
  refusals: { 404: UNKNOWN, 409: "it still has deployments" },
};
