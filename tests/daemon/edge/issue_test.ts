/**
 * Certificates by ACME, from route to leaf, against real pebble.
 */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import * as certificates from "../../../daemon/certificates/certificates.ts";
import { createRoute, deleteRoute, listRoutes } from "../../../daemon/routes/routes.ts";
import { startPebble } from "../../support/pebble.ts";
import { lacking } from "../../support/tools.ts";
import { BY, startBench, until } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");

Deno.test({
  name: "createRoute() with tls_mode auto ends in a certificate that is seen at the proxy, in under 2 seconds",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using bench = await startBench({ pebble });
    const started = performance.now();
    const domain = "api.example.com";
    await createRoute(bench.deps, {
      domain,
      project: "shop",
      deployment: "api",
      tls_mode: "Auto",
      upstreams: ["127.0.0.1:8080"],
    }, BY);
    const served = await until(async () => {
      const [certificate] = await certificates.listCertificates(bench.deps);
      return certificate?.state === "served" && certificate;
    }, "a served certificate");
    const took = performance.now() - started;
    ok(took < 2000, `took ${took} ms`);
    deepEqual(served.names, [domain]);
    equal(served.source, "acme");
    equal(served.last_error, null);
    match(served.issuer!, /Pebble Intermediate CA/);
    const [route] = await listRoutes(bench.deps);
    deepEqual([route!.status, route!.reason, route!.upstreams], ["served", null, ["127.0.0.1:8080"]]);
    const { chain_pem } = await certificates.readCertificate(bench.deps, domain);
    equal(new X509Certificate(chain_pem!).fingerprint256.toLowerCase(), served.fingerprint);
    ok(!JSON.stringify(await bench.store.list("")).includes("PRIVATE KEY"), "no key is stored in the clear");
    match(bench.metrics(), /helyos_certificate_attempts_total\{domain="api.example.com"\} 1/);
    match(bench.metrics(), /helyos_certificate_served_mismatch\{domain="api.example.com"\} 0/);
    match(bench.metrics(), /helyos_certificate_expiry_timestamp_seconds\{domain="api.example.com"\} \d+/);

    const first = served.fingerprint;
    equal((await certificates.renewCertificate(bench.deps, { domain, dryRun: true }, BY)).status, "not_due");
    equal((await certificates.renewCertificate(bench.deps, { domain, dryRun: false }, BY)).status, "started");
    const renewed = await until(async () => {
      const [one] = await certificates.listCertificates(bench.deps);
      return one?.fingerprint !== first && one?.state === "served" && one;
    }, "the renewed certificate");
    notEqual(renewed.fingerprint, first);

    await certificates.deleteCertificate(bench.deps, domain, BY);
    const fresh = await until(async () => {
      const [one] = await certificates.listCertificates(bench.deps);
      return one?.fingerprint !== renewed.fingerprint && one?.state === "served" && one;
    }, "another one for the route that wants it");

    await deleteRoute(bench.deps, domain, BY);
    await bench.edge.keeper.settled();
    equal((await certificates.listCertificates(bench.deps)).length, 1, "kept in case the route comes back");
    await createRoute(bench.deps, { domain, project: "shop", deployment: "api", tls_mode: "auto" }, BY);
    await bench.edge.keeper.settled();
    equal((await certificates.listCertificates(bench.deps))[0]!.fingerprint, fresh.fingerprint);
  },
});
