/**
 * The proxy nginx, with the real program.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { run, temporaryFolder } from "../../../support/process.ts";
import { lacking } from "../../../support/tools.ts";
import { ask, certificateFor, openBench, plain, proxySuite, secure, startUpstream } from "../program/suite.ts";

proxySuite("nginx");

Deno.test({
  name: "nginx: a name that does not resolve costs that site alone its upstream, and no file of a removed site stays",
  ignore: lacking("nginx"),
  async fn() {
    await using bench = await openBench("nginx");
    await using app = await startUpstream("app");
    const { proxy, desired, proxyDir } = bench;
    const lost = plain("lost.test", { host: "no-such-name.invalid", port: 80 });
    const statuses = await proxy.apply(desired([plain("app.test", app.address), lost]));
    equal(statuses[0]!.state, "served");
    equal(statuses[1]!.state, "failed");
    match(
      statuses[1]!.reason!,
      /^nginx: host not found in upstream "no-such-name\.invalid:80" in sites\/helyos-lost\.test-\w+\.conf:3$/,
    );
    const { http, detail } = proxy.status();
    equal(detail.endsWith("serves 1 of 2 sites"), true, detail);
    equal((await ask(http!, "app.test")).status, 200);
    equal((await ask(http!, "lost.test")).status, 503);
    await proxy.apply(desired([plain("app.test", app.address), plain("lost.test", app.address)]));
    equal((await ask(http!, "lost.test")).status, 200);
    const [, changed] = await proxy.apply(desired([plain("app.test", app.address), lost]));
    match(changed!.reason!, /it is served as it was before$/);
    equal((await ask(http!, "lost.test")).status, 200);
    await proxy.apply(desired([plain("app.test", app.address)]));
    equal((await readdir(join(proxyDir, "nginx/sites"))).length, 1);
    await proxy[Symbol.asyncDispose]();
    deepEqual(await readdir(join(proxyDir, "nginx/sites")), []);
  },
});

Deno.test({
  name: "nginx: a chain that OpenSSL finds too weak costs its site alone",
  ignore: lacking("nginx", "openssl"),
  async fn() {
    await using bench = await openBench("nginx");
    await using app = await startUpstream("app");
    await using folder = await temporaryFolder();
    const made = await run("openssl", [
      ...["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-days", "2"],
      ...["-subj", "/CN=weak.test", "-addext", "subjectAltName=DNS:weak.test"],
    ], { home: folder.path });
    equal(made.code, 0, made.stderr);
    const leaf = await certificateFor("weak.test");
    const weak = { ...leaf, certPem: leaf.certPem + await Deno.readTextFile(join(folder.path, "c.pem")) };
    const { proxy, desired } = bench;
    const statuses = await proxy.apply(
      desired([plain("app.test", app.address), secure("weak.test", weak, app.address)], [weak]),
    );
    deepEqual(statuses.map(({ state }) => state), ["served", "failed"]);
    match(statuses[1]!.reason!, /key too small/);
    equal((await ask(proxy.status().http!, "app.test")).status, 200);
    equal((await ask(proxy.status().http!, "weak.test")).status, 503);
  },
});
