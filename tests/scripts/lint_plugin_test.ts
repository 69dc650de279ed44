import { equal, match } from "node:assert/strict";
import plugin, { forbiddenArrow, forbiddenPackage } from "../../scripts/lint_plugin.ts";

Deno.test("forbiddenArrow() keeps daemon, CLI and libraries apart", () => {
  const forbidden = [
    ["daemon/app.ts", "cli/io.ts"],
    ["cli/main.ts", "daemon/config.ts"],
    ["lib/pki/key.ts", "daemon/app.ts"],
    ["lib/pinning/pinned_fetch.ts", "lib/pki/der.ts"],
    ["cli/main.ts", "lib/api/mod.ts"],
    ["daemon/store/sqlite.ts", "daemon/tokens/tokens.ts"],
    ["daemon/app.ts", "tests/support/daemon.ts"],
  ] as const;
  for (const [from, to] of forbidden) match(forbiddenArrow(from, to) ?? "", /./, `${from} -> ${to}`);
});

Deno.test("forbiddenArrow() allows what ARCHITECTURE.md draws", () => {
  const allowed = [
    ["daemon/tokens/tokens.ts", "daemon/tokens/records.ts"],
    ["daemon/tokens/records.ts", "daemon/store/store.ts"],
    ["daemon/projects/projects.ts", "daemon/workloads/records.ts"],
    ["daemon/main.ts", "daemon/app.ts"],
    ["daemon/app.ts", "daemon/tokens/http.ts"],
    ["lib/pki/key.ts", "lib/pki/pem.ts"],
    ["tests/e2e/tour_test.ts", "daemon/main.ts"],
  ] as const;
  for (const [from, to] of allowed) equal(forbiddenArrow(from, to), undefined, `${from} -> ${to}`);
});

Deno.test("forbiddenPackage() lets a third-party package in by its one door", () => {
  equal(forbiddenPackage("lib/api/tokens.ts", "zod"), undefined);
  match(forbiddenPackage("cli/main.ts", "zod") ?? "", /one door/);
  match(forbiddenPackage("daemon/main.ts", "npm:zod@4") ?? "", /import map/);
  match(forbiddenPackage("daemon/main.ts", "jsr:@std/path") ?? "", /npm:, node:/);
  equal(forbiddenPackage("tests/a_test.ts", "npm:anything@1"), undefined);
});

Deno.test("plugin reports a console, a foreign import and a silent catch", () => {
  const root = new URL("../../", import.meta.url).pathname;
  const source =
    'import "../cli/io.ts";\nconsole.log(1);\ntry { f(); } catch {}\ntry { f(); } catch { /* gone already */ }\n';
  const found = Deno.lint.runPlugin(plugin, `${root}daemon/app.ts`, source).map((one) => one.id);
  equal(found.sort().join(), "helyos/arrows,helyos/explained-catch,helyos/no-console");
});
