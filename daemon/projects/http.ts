/**
 * The endpoints of projects.
 *
 * @module
 */
import { createProject, deleteProject, listProjects, resumeProject, suspendProject } from "@helyos/api";
import { bind, type Binding, type Call } from "../server/bind.ts";
import * as projects from "./projects.ts";

/** Serves projects. */
export function projectBindings(deps: projects.ProjectDeps): Binding[] {
  return [
    bind(listProjects, () => projects.listProjects(deps.store)),
    bind(createProject, (call) => projects.createProject(deps, call.input.name, actor(call))),
    bind(
      suspendProject,
      (call) => projects.setProjectStatus(deps, { name: call.input.name, status: "suspended" }, actor(call)),
    ),
    bind(
      resumeProject,
      (call) => projects.setProjectStatus(deps, { name: call.input.name, status: "active" }, actor(call)),
    ),
    bind(deleteProject, (call) => projects.deleteProject(deps, call.input.name, actor(call))),
  ];
}

function actor(call: Call<unknown>): projects.Actor {
  return { actor: call.caller!.name, address: call.address };
}
