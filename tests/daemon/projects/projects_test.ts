import { deepEqual, equal, rejects } from "node:assert/strict";
import { newestRecords } from "../../../daemon/audit/records.ts";
import {
  createProject,
  deleteProject,
  listProjects,
  type ProjectDeps,
  setProjectStatus,
} from "../../../daemon/projects/projects.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";

const BY = { actor: "alice", address: "192.0.2.1" };

async function open(): Promise<ProjectDeps & AsyncDisposable> {
  const store = await openSqliteStore(":memory:");
  return {
    store,
    now: () => new Date("2026-06-07T12:00:00Z"),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

Deno.test("createProject() refuses a name that is taken, in the contract's words", async () => {
  await using deps = await open();
  deepEqual(await createProject(deps, "shop", BY), {
    name: "shop",
    status: "active",
    created_at: "2026-06-07T12:00:00.000Z",
  });
  await rejects(() => createProject(deps, "shop", BY), {
    code: "conflict",
    message: "invalid deployment spec: project 'shop' already exists",
  });
});

Deno.test("setProjectStatus() and deleteProject() refuse a project nobody has", async () => {
  await using deps = await open();
  const unknown = { code: "not_found", message: "project not found: shop" };
  await rejects(() => setProjectStatus(deps, { name: "shop", status: "suspended" }, BY), unknown);
  await rejects(() => deleteProject(deps, "shop", BY), unknown);
});

Deno.test("deleteProject() refuses a project with deployments, not one whose name begins the same", async () => {
  await using deps = await open();
  await createProject(deps, "shop", BY);
  await deps.store.commit([{ put: "deployments/shop2/api", value: {} }]);
  await createProject(deps, "a/b", BY);
  await deps.store.commit([{ put: "deployments/a%2Fb/api", value: {} }]);
  await rejects(() => deleteProject(deps, "a/b", BY), { code: "conflict", message: "project not empty: a/b" });
  await deleteProject(deps, "shop", BY);
  deepEqual((await listProjects(deps.store)).map((project) => project.name), ["a/b"]);
});

Deno.test("setProjectStatus() is idempotent and records only what changed", async () => {
  await using deps = await open();
  await createProject(deps, "shop", BY);
  for (let time = 0; time < 2; time++) await setProjectStatus(deps, { name: "shop", status: "suspended" }, BY);
  equal((await listProjects(deps.store))[0]!.status, "suspended");
  await setProjectStatus(deps, { name: "shop", status: "active" }, BY);
  equal((await listProjects(deps.store))[0]!.status, "active");
  await deleteProject(deps, "shop", BY);
  deepEqual(
    (await newestRecords(deps.store, 10)).map((record) => `${record.actor} ${record.action} ${record.target}`),
    [
      "alice project.delete shop",
      "alice project.resume shop",
      "alice project.suspend shop",
      "alice project.create shop",
    ],
  );
});
