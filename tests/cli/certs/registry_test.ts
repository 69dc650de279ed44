import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { chmod, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, parseDocument } from "yaml";
import { parseRegistry } from "../../../cli/certs/registry.ts";
import { saveRegistry, withPaths } from "../../../cli/certs/registry_update.ts";
import { REGISTRY, workbench } from "./workbench.ts";

const SEED = `services:
  api:
    hostname: api.internal
    current_host: mini1
    deployment_type: docker
    docker_compose: /api/docker-compose.yml
    port: 8400
`;
const PATHS = {
  tls_cert: "/api/certs/api-cert.pem",
  tls_key: "/api/certs/api-key.pem",
  ca_cert: "/api/certs/ca-cert.pem",
};

Deno.test("certs update-registry writes exactly the seed's three paths", async () => {
  await using bench = await workbench({ registry: `hosts: {mini1: {ip: 10.0.0.5}}\n${SEED}` });
  await bench.ok("generate-all-servers");
  const told = await bench.json("update-registry");
  deepEqual(told.updated, [{ service: "api", ...PATHS }]);
  const text = await readFile(bench.registry, "utf8");
  equal(
    text,
    `hosts: {mini1: {ip: 10.0.0.5}}\n${SEED}    tls_cert: /api/certs/api-cert.pem
    tls_key: /api/certs/api-key.pem
    ca_cert: /api/certs/ca-cert.pem
`,
  );
  // Again is the same.
  await bench.ok("update-registry");
  equal(await readFile(bench.registry, "utf8"), text);
});

Deno.test("certs update-registry touches nothing but services that have something to serve with", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all");
  const none = await bench.certs("update-registry");
  equal(none.code, 0);
  match(none.stderr, /nothing to serve with.*: api, web/);
  equal(await readFile(bench.registry, "utf8"), REGISTRY);
  await bench.ok("generate-server web");
  await chmod(bench.registry, 0o640);
  await bench.ok("update-registry");
  const text = await readFile(bench.registry, "utf8");
  equal(text.startsWith(REGISTRY.trimEnd()), true, "comments, order and spacing stay");
  equal(parse(text).services.web.tls_key, "/web/certs/web-key.pem");
  equal("tls_key" in parse(text).services.api, false);
  equal((await stat(bench.registry)).mode & 0o777, 0o640);
});

Deno.test("certs update-registry keeps what is a path of the host, and replaces what is one of this machine", async () => {
  const registry = `hosts: {a: {ip: 10.0.0.1, path: /srv/repo/}}
services:
  kept: {current_host: a, docker_compose: /kept/c.yml, tls_cert: /kept/own/cert.pem}
  doubled: {current_host: a, docker_compose: /doubled/c.yml, tls_cert: /srv/repo/doubled/certs/x.pem}
  foreign: {current_host: a, service_file: /foreign/service.yml, tls_cert: HOME/certs/x.pem}
  top: {current_host: a, docker_compose: /compose.yml}
  own: {current_host: a, working_dir: /elsewhere, docker_compose: /own/c.yml}
  nowhere: {current_host: a}
`;
  await using bench = await workbench({ registry });
  await writeFile(bench.registry, registry.replace("HOME", bench.folder));
  await bench.ok("generate-all-servers");
  const outcome = await bench.certs("update-registry");
  equal(outcome.code, 1);
  match(outcome.stderr, /no paths for 1 of 6: nowhere/);
  const { services } = parse(await readFile(bench.registry, "utf8"));
  const certs = Object.fromEntries(Object.keys(services).map((name) => [name, services[name].tls_cert]));
  deepEqual(certs, {
    kept: "/kept/own/cert.pem",
    doubled: "/doubled/certs/x.pem",
    foreign: "/foreign/certs/foreign-cert.pem",
    top: "/certs/top-cert.pem",
    own: "/elsewhere/certs/own-cert.pem",
    nowhere: undefined,
  });
});

Deno.test("certs update-registry refuses to replace a link by a file", async () => {
  await using bench = await workbench();
  await bench.ok("generate-all-servers");
  const link = join(bench.folder, "link.yml");
  await symlink(bench.registry, link);
  const refused = await bench.certs("update-registry", { env: { HELYOS_REGISTRY: link } });
  equal(refused.code, 1);
  match(refused.stderr, /symbolic link/);
  equal(await readFile(bench.registry, "utf8"), REGISTRY);
});

Deno.test("withPaths() changes one field in YAML of any style, and nothing else that can be told", () => {
  const styles = [
    "services:\n  api:\n    # why\n    hostname: a # host\n    # last word\n  web: {}\n",
    "services:\n    api:\n        notes: |\n            several\n            lines\n\n    web:\n        hostname: b\n",
    "services:\n  api:\n    tls_cert: 'old' # was\n    hostname: a\n",
    'services:\n  api:\n    tls_cert: "old"',
    "services:\n  api: {hostname: a} # flow\n",
    "services:\n  api: {}\n",
    "services:\n  api:\n    aliases:\n      - one\n      - two # second\n  web: {}\n",
    "services:\n  api:\n    hostname: a\r\n  web: {}\r\n",
    "x: &d {notes: hi}\nservices:\n  api:\n    <<: *d\n    hostname: a",
    "services:\n  api:\n    certs: {reload: [a, b]}\n    tls_cert:\n",
    "services:\n  api:\n    text: >-\n      folded\n      text\n...\n",
  ];
  for (const text of styles) {
    const { text: changed, refused } = withPaths(text, new Map([["api", { tls_cert: "/a b/c.pem" }]]));
    deepEqual(refused, [], text);
    const [before, after] = [parse(text), parse(changed)];
    equal(after.services.api.tls_cert, "/a b/c.pem", text);
    deepEqual({ ...after.services.api, tls_cert: 0 }, { ...before.services.api, tls_cert: 0 }, text);
    deepEqual({ ...after, services: { ...after.services, api: 0 } }, {
      ...before,
      services: { ...before.services, api: 0 },
    });
    for (const comment of text.match(/#[^\r\n]*/g) ?? []) {
      equal(changed.includes(comment), true, `${text}\n→\n${changed}`);
    }
  }
});

Deno.test("certs update-registry names who shares fields with another through an anchor, and writes the others", async () => {
  const registry = `hosts: {a: {ip: 10.0.0.1, path: /srv}}
common: &common {current_host: a, docker_compose: /common/c.yml}
services:
  twin: &twin {current_host: a, docker_compose: /twin/c.yml}
  alias: *twin
  base: &base {<<: *common, hostname: base.lan}
  child: {<<: *base, hostname: child.lan}
  1: {current_host: a, docker_compose: /one/c.yml}
`;
  await using bench = await workbench({ registry });
  await bench.ok("generate-all-servers");
  const outcome = await bench.certs("update-registry --json");
  equal(outcome.code, 1);
  const told = JSON.parse(outcome.stdout);
  deepEqual(told.failed.map(({ service }: { service: string }) => service), ["twin", "alias"]);
  match(told.failed[0].error, /anchor.*tls_cert: \/twin\/certs\/twin-cert\.pem/);
  const text = await readFile(bench.registry, "utf8");
  const { services } = parse(text, { merge: true });
  deepEqual(
    ["child", "base", "1", "twin", "alias"].map((name) => services[name].tls_cert),
    ["/common/certs/child-cert.pem", "/common/certs/base-cert.pem", "/one/certs/1-cert.pem", undefined, undefined],
  );
  match(text, /alias: \*twin\n/);
});

Deno.test("withPaths() reads a large registry a few times, not once for every field", () => {
  const names = Array.from({ length: 300 }, (_, at) => `s${at}`);
  const text = `services:\n${names.map((name) => `  ${name}: # ${name}\n    current_host: a\n`).join("")}`;
  const started = performance.now();
  parseDocument(text).toJS();
  const once = performance.now() - started;
  const { text: written, refused } = withPaths(text, new Map(names.map((name) => [name, PATHS])));
  const took = performance.now() - started - once;
  deepEqual(refused, []);
  equal(parse(written).services.s299.ca_cert, PATHS.ca_cert);
  ok(took < 20 * once, `${Math.round(took)} ms, where reading it takes ${Math.round(once)}`);
});

Deno.test("withPaths() ends lines as the file does", () => {
  const text = "services:\r\n  api:\r\n    hostname: a # host\r\n  web: {}";
  equal(
    withPaths(text, new Map([["api", PATHS]])).text,
    text.replace(
      "host\r\n",
      `host\r\n${Object.entries(PATHS).map(([key, path]) => `    ${key}: ${path}\r\n`).join("")}`,
    ),
  );
});

Deno.test("saveRegistry() refuses to write over what somebody else changed meanwhile", async () => {
  await using bench = await workbench({ init: false });
  const registry = parseRegistry(REGISTRY, bench.registry);
  await writeFile(bench.registry, `${REGISTRY}# mine\n`);
  await rejects(() => saveRegistry(registry, "services: {}\n"), { code: "changed" });
  equal(await readFile(bench.registry, "utf8"), `${REGISTRY}# mine\n`);
});

Deno.test("parseRegistry() keeps the order of services, numbers among them", () => {
  const registry = parseRegistry("services:\n  b: {}\n  '7': {}\n  a: {}\n", "r.yml");
  deepEqual(registry.serviceNames, ["b", "7", "a"]);
});

Deno.test("parseRegistry() takes what services have in common from an anchor", () => {
  const text = "base: &base {current_host: a, aliases: [x.lan]}\nservices:\n  api: {<<: *base, hostname: api.lan}\n";
  const { currentHost, aliases, hostname } = parseRegistry(text, "r.yml").service("api");
  deepEqual({ currentHost, aliases, hostname }, { currentHost: "a", aliases: ["x.lan"], hostname: "api.lan" });
});

Deno.test("parseRegistry() refuses fields of the wrong kind, one service at a time", () => {
  const wrong = {
    hostname: "[]",
    aliases: "[1]",
    port: "70000",
    tls_cert: "{}",
    certs: "[]",
  };
  for (const [key, value] of Object.entries(wrong)) {
    const registry = parseRegistry(`services:\n  good: {}\n  bad: {${key}: ${value}}\n`, "r.yml");
    equal(registry.service("good").hostname, "good.internal");
    let message = "";
    try {
      registry.service("bad");
    } catch (error) {
      message = (error as Error).message;
    }
    match(message, /'bad'/, key);
  }
  for (
    const certs of ["{key_mode: 0999}", "{key_mode: '7777777'}", "{owner: 'a b'}", "{owner: -x}", "{reload: systemctl}"]
  ) {
    const registry = parseRegistry(`services: {bad: {certs: ${certs}}}\n`, "r.yml");
    let thrown = false;
    try {
      registry.service("bad");
    } catch {
      thrown = true; // As it should be.
    }
    equal(thrown, true, certs);
  }
  const good = parseRegistry('services: {a: {certs: {key_mode: "0640", owner: 70, group: ssl-cert}}}', "r.yml");
  deepEqual(good.service("a").certs, { keyMode: "0640", owner: "70", group: "ssl-cert" });
});
