/**
 * What goes wrong between client and CA: refused nonces, limits, silence, nonsense, callers who want no more.
 */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { AcmeClient, AcmeError, certificateId, httpSolver, type Solver } from "@helyos/acme";
import { generateKeyPair, parseCertificate, parseCertificates } from "@helyos/pki";
import type { Answer } from "../../support/acme_faults.ts";
import { lacking } from "../../support/tools.ts";
import { registered, startBench } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");

/** No nonce is refused but where a test wants it. */
const bench = (refused = "0") => startBench({ env: { PEBBLE_WFE_NONCEREJECT: refused } });

Deno.test({
  name: "obtainCertificate() succeeds where half of all nonces are refused",
  ignore,
  async fn() {
    await using one = await bench("50");
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) => one.obtain({ names: [`nonce-${i}.example.com`] })),
    );
    equal(new Set(results.map(({ chainPem }) => chainPem)).size, 8);
  },
});

Deno.test({
  name: "AcmeClient gives up on a server that refuses every nonce, or sends none",
  ignore,
  async fn() {
    await using one = await bench();
    const badNonce = { type: "urn:ietf:params:acme:error:badNonce", detail: "JWS has an invalid anti-replay nonce" };
    one.faults.before = ({ method }) => method === "POST" ? { status: 400, body: badNonce } : undefined;
    await rejects(one.obtain(), { code: "unavailable" });
    ok(one.faults.seen.length < 100, `${one.faults.seen.length} requests`);
    one.faults.before = ({ method }) =>
      method === "HEAD" ? { status: 200, headers: { "replay-nonce": "not base64url!" } } : undefined;
    await using fresh = new AcmeClient({
      directoryUrl: one.faults.directoryUrl,
      ca: one.faults.ca,
      accountKey: await generateKeyPair(),
    });
    await rejects(fresh.register(), { code: "protocol" });
  },
});

Deno.test({
  name: "AcmeClient hands on what 429 and 503 ask for, as seconds and as a date, with and without a problem document",
  ignore,
  async fn() {
    await using one = await bench();
    const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);
    const limited = { type: "urn:ietf:params:acme:error:rateLimited", detail: "too many", status: 400 };
    const cases = [
      { status: 429, retry: "3600", body: limited, code: "rate_limited" },
      { status: 429, retry: date.toUTCString(), body: "slow down", code: "rate_limited" },
      { status: 503, retry: "3600", body: {}, code: "unavailable" },
      { status: 503, retry: date.toUTCString(), body: "<html>down for maintenance</html>", code: "unavailable" },
      { status: 502, retry: undefined, body: "<html>bad gateway</html>", code: "unavailable" },
    ];
    for (const { status, retry, body, code } of cases) {
      for (const step of ["/order-plz", "/authZ", "/chalZ", "/finalize", "/certZ"]) {
        one.faults.before = ({ path }) =>
          path.startsWith(step)
            ? { status, body, headers: retry === undefined ? {} : { "retry-after": retry } }
            : undefined;
        const error: unknown = await one.obtain({ names: [`limit${Math.random()}.example.com`] }).then(
          () => undefined,
          (e) => e,
        );
        ok(error instanceof AcmeError, `${step}: ${error}`);
        equal(error.code, code, `${status} at ${step}`);
        if (retry === "3600") ok(Math.abs(error.retryAt!.getTime() - Date.now() - 3_600_000) < 60_000);
        else deepEqual(error.retryAt, retry === undefined ? undefined : date);
      }
    }
    one.faults.before = () => undefined;
    match((await one.obtain()).chainPem, /BEGIN CERTIFICATE/);
  },
});

Deno.test({
  name: "obtainCertificate() stops when the CA wants more time than there is, and says when to come back",
  ignore,
  async fn() {
    await using one = await bench();
    one.faults.alter = ({ path }, answer) =>
      /^\/(?:finalize|my-order)/.test(path)
        ? changed(answer, (order) => ({ ...order, status: "processing", certificate: undefined }), {
          "retry-after": "600",
        })
        : answer;
    const start = Date.now();
    let orderUrl = "";
    const onOrder = (url: string) => Promise.resolve(void (orderUrl = url));
    const error: unknown = await one.obtain({ patienceMs: 60_000, onOrder }).then(() => undefined, (e) => e);
    ok(error instanceof AcmeError && error.code === "unavailable", String(error));
    ok(error.retryAt!.getTime() - start > 590_000, "the CA's wish");
    ok(Date.now() - start < 20_000, "at once");
    await rejects(one.obtain({ patienceMs: 300, orderUrl }), { code: "unavailable" });
    one.faults.alter = (_, answer) => answer;
    equal((await one.obtain({ orderUrl })).orderUrl, orderUrl, "the order is taken up");
    equal(one.faults.finalized(), 1);
  },
});

Deno.test({
  name:
    "obtainCertificate() goes on where the answer to its last request was lost, and where the preferred chain is not to be had",
  ignore,
  async fn() {
    await using one = await startBench({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_ALTERNATE_ROOTS: "1" } });
    const problem = { type: "urn:ietf:params:acme:error:orderNotReady", detail: "Order's status is processing" };
    one.faults.alter = ({ path }, answer) =>
      path.startsWith("/finalize")
        ? { status: 403, headers: { "content-type": "application/problem+json" }, body: bytesOf(problem) }
        : answer;
    const { chainPem, orderUrl } = await one.obtain();
    equal(one.faults.finalized(), 1, "what was asked for before is what comes");
    one.faults.alter = (_, answer) => answer;

    const preferredIssuer = parseCertificate(await one.pebble.root(1)).subject.commonName!;
    const other = await one.obtain({ orderUrl, preferredIssuer });
    ok(other.chainPem !== chainPem);
    one.faults.before = ({ path }) => path.includes("/alternate/") ? { status: 500, body: "sorry" } : undefined;
    equal(
      (await one.obtain({ orderUrl, preferredIssuer })).chainPem,
      chainPem,
      "the CA's own chain is better than none",
    );
  },
});

Deno.test({
  name: "obtainCertificate() orders without the link where it is refused, and once where the order itself is",
  ignore,
  async fn() {
    await using one = await bench();
    const { chainPem } = await one.obtain();
    const replaces = certificateId(chainPem);
    const orders = (from: number) =>
      one.faults.seen.slice(from).filter(({ path }) => path === "/order-plz").map(({ payload }) => payload.replaces);
    const refuse = (status: number, type: string, always = false) => {
      one.faults.before = ({ path, payload }) =>
        path === "/order-plz" && (always || payload.replaces !== undefined)
          ? { status, body: { type: `urn:ietf:params:acme:error:${type}`, detail: "no" } }
          : undefined;
    };
    for (const [status, type] of [[409, "alreadyReplaced"], [400, "malformed"], [500, "serverInternal"]] as const) {
      refuse(status, type);
      const from = one.faults.seen.length;
      match((await one.obtain({ replaces })).chainPem, /BEGIN CERTIFICATE/);
      deepEqual(orders(from), [replaces, undefined], type);
    }
    for (
      const [status, type] of [[429, "rateLimited"], [503, "serverInternal"], [400, "rejectedIdentifier"]] as const
    ) {
      refuse(status, type, true);
      const from = one.faults.seen.length;
      await rejects(one.obtain({ replaces }), { name: "AcmeError" });
      deepEqual(orders(from), [replaces], type);
    }
  },
});

Deno.test({
  name: "obtainCertificate() orders anew when the saved order was finalized with another key",
  ignore,
  async fn() {
    await using one = await bench();
    const first = await one.obtain();
    const key = await generateKeyPair();
    const second = await one.obtain({ key, orderUrl: first.orderUrl });
    ok(second.orderUrl !== first.orderUrl);
    ok((await one.obtain({ key, orderUrl: second.orderUrl })).chainPem === second.chainPem);
    // Nor is an order for other names,
    const third = await one.obtain({ key, names: ["other.example.com"], orderUrl: second.orderUrl });
    ok(third.orderUrl !== second.orderUrl);
    deepEqual(parseCertificates(third.chainPem)[0]!.names.map(({ value }) => value), ["other.example.com"]);
    // or one that failed,
    let failed = "";
    const onOrder = (url: string) => Promise.resolve(void (failed = url));
    const silent: Solver = { type: "http-01", present: () => Promise.resolve(), cleanUp: () => Promise.resolve() };
    const names = ["failed.example.com"];
    await rejects(one.obtain({ names, solvers: [silent], onOrder }), { code: "challenge_failed" });
    ok((await one.obtain({ names, orderUrl: failed })).orderUrl !== failed);
    // or of another account.
    await using other = await registered(one.faults);
    ok((await one.obtain({ client: other, orderUrl: second.orderUrl })).orderUrl !== second.orderUrl);
  },
});

Deno.test({
  name: "obtainCertificate() lets nothing go on after one name failed, and survives answers that cannot be taken away",
  ignore,
  async fn() {
    await using one = await bench();
    const inner = httpSolver();
    const cleaned: string[] = [];
    const leftovers: string[] = [];
    const failing: Solver = {
      type: "http-01",
      present: (answer, signal) =>
        answer.name.startsWith("bad.") ? Promise.reject(new Error("no disk")) : inner.present(answer, signal),
      cleanUp: ({ name }) => {
        cleaned.push(name);
        return Promise.reject(new Error("no permission"));
      },
    };
    const names = ["bad.example.com", "good.example.com"];
    await rejects(
      one.obtain({ names, solvers: [failing], onLeftover: (_, { name }) => leftovers.push(name) }),
      /no disk/,
    );
    const count = one.faults.seen.length;
    ok(cleaned.includes("bad.example.com"), "also what a failed present may have left");
    deepEqual(leftovers, cleaned);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // One request may have been on its way when the other name failed; whoever still looked would have looked five times by now.
    ok(one.faults.seen.length <= count + 1, "nothing goes on");
  },
});

Deno.test({
  name: "obtainCertificate() stops at once at every step when the caller aborts, even when the server is silent",
  ignore,
  async fn() {
    await using one = await bench();
    for (const step of ["/order-plz", "/authZ", "/chalZ", "/finalize", "/certZ", "/my-order"]) {
      const controller = new AbortController();
      const reason = new Error(`enough of ${step}`);
      one.faults.before = ({ path }) => {
        if (!path.startsWith(step)) return undefined;
        setTimeout(() => controller.abort(reason), 5);
        return "hang";
      };
      const start = Date.now();
      await rejects(
        one.obtain({ names: [`a${start}.example.com`], signal: controller.signal }),
        (error) => error === reason,
      );
      ok(Date.now() - start < 3000, step);
    }
    // A client that does not know the directory yet
    const controller = new AbortController();
    one.faults.before = ({ path }) => {
      if (path !== "/dir") return undefined;
      setTimeout(() => controller.abort(new Error("enough")), 5);
      return "hang";
    };
    await using fresh = new AcmeClient({
      directoryUrl: one.faults.directoryUrl,
      ca: one.faults.ca,
      accountKey: await generateKeyPair(),
    });
    const start = Date.now();
    await rejects(fresh.register({}, { signal: controller.signal }), /enough/);
    ok(Date.now() - start < 3000, "the directory");
    one.faults.before = () => undefined;
    await rejects(one.obtain({ signal: AbortSignal.abort(new Error("never")) }), /never/);
  },
});

Deno.test({
  name: "AcmeClient reads no answer of over a megabyte, whatever it holds",
  ignore,
  async fn() {
    await using one = await bench();
    one.faults.alter = ({ path }, answer) =>
      path === "/dir" ? changed(answer, (json) => ({ ...json, padding: "x".repeat(2 ** 20) })) : answer;
    await using fresh = new AcmeClient({
      directoryUrl: one.faults.directoryUrl,
      ca: one.faults.ca,
      accountKey: await generateKeyPair(),
    });
    await rejects(fresh.directory(), { code: "protocol", message: /over 1048576 bytes/ });
  },
});

Deno.test({
  name: "AcmeClient gives up on a server that is silent, in TLS, before or within an answer",
  async fn() {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => void sockets.add(socket.on("error", () => {})));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await using client = new AcmeClient({
      directoryUrl: `https://localhost:${port}/dir`,
      accountKey: await generateKeyPair(),
      timeoutMs: 200,
    });
    await rejects(client.directory(), { code: "unreachable" });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  },
});

function bytesOf(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

/** A JSON answer with other fields; one that holds none stays as it is. */
function changed(answer: Answer, change: (json: Record<string, unknown>) => unknown, headers = {}): Answer {
  try {
    const body = bytesOf(change(JSON.parse(new TextDecoder().decode(answer.body))));
    return {
      status: answer.status,
      headers: { ...answer.headers, "content-length": String(body.length), ...headers },
      body,
    };
  } catch {
    return answer;
  }
}

/** Numbers that look random and are the same in each run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

const NONSENSE: readonly unknown[] = [
  ...[null, undefined, true, -1, 1e300, "", "x", "http://localhost/", "https://", "https://[", "../../etc/passwd"],
  ...["\u0000", "x".repeat(100_000), [], [null], [[]], [{}], {}, { value: 7 }, "ready", "valid"],
];

Deno.test({
  name: "obtainCertificate() fails with an AcmeError, whatever a server makes of its answers",
  ignore,
  async fn() {
    await using one = await bench();
    const random = randomNumbers(7);
    const codes = new Set<string>();
    for (let round = 0; round < 150; round++) {
      const victim = random(14);
      let count = 0;
      one.faults.alter = ({ method }, answer) => {
        if (method === "HEAD" || count++ !== victim) return answer;
        const kind = random(10);
        if (kind === 0) return { ...answer, body: answer.body.subarray(0, random(answer.body.length)), headers: {} };
        if (kind === 1) return { ...answer, headers: { ...answer.headers, location: "http://[" } };
        if (kind === 2) return { ...answer, body: new Uint8Array(2 ** 20 + 1), headers: {} };
        if (kind === 3) return { ...answer, body: new TextEncoder().encode("null"), headers: {} };
        return changed(answer, (json) => {
          const names = Object.keys(json);
          return { ...json, [names[random(names.length)]!]: NONSENSE[random(NONSENSE.length)] };
        });
      };
      await using client = new AcmeClient({
        directoryUrl: one.faults.directoryUrl,
        ca: one.faults.ca,
        accountKey: await generateKeyPair(),
        timeoutMs: 1000,
      });
      try {
        await client.register();
        await one.obtain({ client, patienceMs: 1200, names: [`fuzz-${round}.example.com`] });
        codes.add("none");
      } catch (error) {
        if (!(error instanceof AcmeError)) throw new Error(`round ${round}: ${error}`, { cause: error });
        codes.add(error.code);
      }
    }
    ok(codes.has("protocol") && codes.has("none"), [...codes].join());
  },
});
