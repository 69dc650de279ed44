import { deepEqual, equal, match, notEqual, throws } from "node:assert/strict";
import { z } from "zod";
import type { Endpoint } from "@helyos/api";
import { bind, type Caller, Prepared } from "../../../daemon/server/bind.ts";
import { unauthorized } from "../../../daemon/server/exchange.ts";
import { Failure } from "../../../daemon/server/failure.ts";
import { createHandler, type HandlerDeps } from "../../../daemon/server/handler.ts";
import { BODY_LIMITS } from "../../../daemon/server/read_body.ts";

const INFO = { remoteAddr: { transport: "tcp", hostname: "192.0.2.7", port: 5 } as const };

const common = { summary: "", status: 200, answer: "json" } as const;
const readThing: Endpoint<Record<never, never>, unknown> = {
  ...common,
  name: "thing.read",
  method: "GET",
  path: "/api/v1/thing",
  allow: ["admin", "deploy", "read"],
};
const listThings: Endpoint<{ limit?: number | undefined }, unknown> = {
  ...common,
  name: "thing.list",
  method: "GET",
  path: "/api/v1/things",
  allow: "public",
  input: z.object({ limit: z.coerce.number().int().min(1).optional() }),
};
const makeThing: Endpoint<{ name: string }, unknown> = {
  ...common,
  name: "thing.create",
  method: "POST",
  path: "/api/v1/things",
  allow: ["admin"],
  status: 201,
  input: z.object({ name: z.string({ error: "thing name must be a string" }) }),
};
const stopThing: Endpoint<{ name: string }, void> = {
  ...common,
  name: "thing.stop",
  method: "POST",
  path: "/api/v1/things/{name}/stop",
  allow: ["admin"],
  answer: "empty",
  input: z.object({ name: z.string() }),
};

const CALLERS: Record<string, Caller> = {
  good: { name: "alice", scope: "admin", tokenId: "1" },
  reader: { name: "bob", scope: "read", tokenId: "2" },
};

function setUp(options: Partial<HandlerDeps> = {}) {
  const errors: unknown[] = [];
  const counted: string[] = [];
  const calls: unknown[] = [];
  const handler = createHandler([
    bind(readThing, (call) => ({ caller: call.caller?.name, address: call.address })),
    bind(listThings, (call) => {
      calls.push(call.input);
      return [];
    }),
    bind(makeThing, (call) => {
      calls.push(call.input);
      if (call.input.name === "boom") throw new Error("secret detail");
      if (call.input.name === "taken") throw new Failure("conflict", "taken", { cause: new Error("row 7") });
      return { made: call.input.name };
    }),
    bind(stopThing, (call) => void calls.push(call.input)),
  ], {
    authenticate: (token) => {
      const caller = CALLERS[token];
      if (caller === undefined) throw unauthorized();
      return token === "good" ? caller : Promise.resolve(caller);
    },
    meter: (method, path) => (status) => void counted.push(`${method} ${path} ${status}`),
    onError: (error) => void errors.push(error),
    ...options,
  });
  async function send(method: string, path: string, init: RequestInit = {}) {
    const response = await handler(new Request(`https://helyos.test${path}`, { method, ...init }), INFO);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
  }
  return { handler, send, errors, counted, calls };
}

const authorization = "Bearer good";
const json = { authorization, "content-type": "application/json" };

Deno.test("createHandler() refuses two bindings of one method and path", () => {
  throws(() =>
    createHandler([bind(readThing, () => 1), bind(readThing, () => 2)], {
      authenticate: () => CALLERS.good!,
      meter: () => () => {},
      onError: () => {},
    }), TypeError);
});

Deno.test("createHandler() answers an unknown path by 404, before any token is looked at", async () => {
  const { send, counted } = setUp();
  for (
    const path of ["/", "/api/v1", "/api/v1/thing/", "/api/v1/things//stop", "/API/v1/thing", "/api/v1/things/a/b"]
  ) {
    const answer = await send("GET", path);
    equal(answer.status, 404);
    deepEqual(answer.json(), { error: "no such path", code: "not_found" });
  }
  equal(new Set(counted).size, 1, "unknown paths share one series");
});

Deno.test("createHandler() answers a wrong method by 405 with Allow, OPTIONS included", async () => {
  const { send } = setUp();
  const answer = await send("PUT", "/api/v1/things");
  equal(answer.status, 405);
  equal(answer.headers.get("allow"), "GET, HEAD, POST");
  equal(answer.json().code, "method_not_allowed");
  const options = await send("OPTIONS", "/api/v1/things", { headers: { origin: "https://elsewhere.test" } });
  equal(options.status, 405);
  equal(options.headers.get("access-control-allow-origin"), null);
});

Deno.test("createHandler() takes the scheme word exactly", async () => {
  const { send } = setUp();
  for (const value of [undefined, "", "good", "bearer good", "BEARER good", "Bearer", "Basic good", "Bearer  good"]) {
    const answer = await send("GET", "/api/v1/thing", value === undefined ? {} : { headers: { authorization: value } });
    equal(answer.status, 401, String(value));
    deepEqual(answer.json(), { error: "missing or invalid bearer token", code: "unauthorized" });
    equal(answer.headers.get("www-authenticate"), "Bearer");
  }
  const long = await send("GET", "/api/v1/thing", { headers: { authorization: `Bearer ${"a".repeat(1025)}` } });
  equal(long.status, 401);
});

Deno.test("createHandler() refuses a scope the endpoint does not allow, and runs nothing", async () => {
  const { send, calls } = setUp();
  const answer = await send("POST", "/api/v1/things/a/stop", { headers: { authorization: "Bearer reader" } });
  equal(answer.status, 403);
  equal(answer.json().code, "forbidden");
  deepEqual(calls, []);
});

Deno.test("createHandler() answers JSON, tells who calls, and lets nobody store it", async () => {
  const { send, counted } = setUp();
  const answer = await send("GET", "/api/v1/thing?ignored=1", { headers: { authorization } });
  equal(answer.status, 200);
  deepEqual(answer.json(), { caller: "alice", address: "192.0.2.7" });
  equal(answer.headers.get("content-type"), "application/json");
  equal(answer.headers.get("cache-control"), "no-store");
  deepEqual(counted, ["GET /api/v1/thing 200"]);
});

Deno.test("createHandler() calls an IPv4 caller by that address on a socket for both kinds", async () => {
  const { handler } = setUp();
  for (const [hostname, expected] of [["::ffff:192.0.2.7", "192.0.2.7"], ["2001:db8::7", "2001:db8::7"]] as const) {
    const info = { remoteAddr: { transport: "tcp", hostname, port: 5 } as const };
    const response = await handler(new Request("https://x/api/v1/thing", { headers: { authorization } }), info);
    equal((await response.json()).address, expected);
  }
});

Deno.test("createHandler() serves HEAD with GET's header fields and without its content", async () => {
  const { handler } = setUp();
  const { promise: listening, resolve } = Promise.withResolvers<number>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => resolve(port) }, handler);
  try {
    for (const [fields, status] of [[`authorization: ${authorization}\r\n`, 200], ["", 401]] as const) {
      const heads: string[] = [];
      for (const method of ["GET", "HEAD"]) {
        using connection = await Deno.connect({ port: await listening });
        const head = `${method} /api/v1/thing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${fields}\r\n`;
        await connection.write(new TextEncoder().encode(head));
        const answer = await new Response(connection.readable).text();
        const end = answer.indexOf("\r\n\r\n");
        equal(answer.length > end + 4, method === "GET");
        const [line, ...names] = answer.slice(0, end).split("\r\n").filter((field) => !field.startsWith("date:"));
        heads.push([line, ...names.sort()].join("\n"));
      }
      equal(heads[0], heads[1]);
      match(heads[0]!, new RegExp(`^HTTP/1.1 ${status} [^]*content-length: [1-9]`));
    }
  } finally {
    await server.shutdown();
  }
});

Deno.test("createHandler() refuses a query the schema does not take by 400", async () => {
  const { send, calls } = setUp();
  equal((await send("GET", "/api/v1/things?limit=x")).status, 400);
  equal((await send("GET", "/api/v1/things?limit=0")).json().code, "bad_request");
  equal((await send("GET", "/api/v1/things?limit=3&other=1")).status, 200);
  deepEqual(calls, [{ limit: 3 }]);
});

Deno.test("createHandler() decodes path segments and refuses what cannot be decoded", async () => {
  const { send, calls } = setUp();
  const stop = (name: string) => send("POST", `/api/v1/things/${name}/stop`, { headers: { authorization } });
  equal((await stop("a%2Fb%20%C3%A4")).status, 200);
  deepEqual(calls, [{ name: "a/b ä" }]);
  equal((await stop("%zz")).status, 400);
  equal((await stop("%ff")).status, 400);
  equal((await stop("a%00b")).status, 400);
  equal((await stop("x".repeat(254))).status, 404);
});

Deno.test("createHandler() accepts a POST without body and content type where nothing is taken", async () => {
  const { send } = setUp();
  const answer = await send("POST", "/api/v1/things/a/stop", { headers: { authorization } });
  equal(answer.status, 200);
  equal(answer.text, "");
});

Deno.test("createHandler() refuses bodies: media type, UTF-8, JSON, shape", async () => {
  const { send, calls } = setUp();
  const post = (body: BodyInit, headers: HeadersInit = json) => send("POST", "/api/v1/things", { headers, body });
  equal((await post("{}", { authorization })).status, 415, "text/plain by default");
  equal(
    (await post("{}", { authorization, "content-type": "application/yaml" })).json().code,
    "unsupported_media_type",
  );
  equal((await post(Uint8Array.of(0x7b, 0xff, 0x7d))).status, 400, "not UTF-8");
  const broken = await post('{"name": "nxa-api_0123456789"');
  equal(broken.status, 400);
  equal(broken.text.includes("nxa-api"), false, "the body is not quoted back");
  equal((await post("[]")).status, 422);
  equal((await post("null")).status, 422);
  equal((await post('{"name": 7}')).json().error, "thing name must be a string");
  equal((await post("")).status, 422, "an empty body lacks the name");
  deepEqual(calls, []);
  equal(
    (await post('{"name":"a","more":1}', { authorization, "content-type": "Application/JSON; charset=utf-8" })).status,
    201,
  );
  deepEqual(calls, [{ name: "a" }]);
});

Deno.test("createHandler() refuses JSON nested deeper than the limit, not brackets inside strings", async () => {
  const { send } = setUp();
  const post = (body: string) => send("POST", "/api/v1/things", { headers: json, body });
  const deep = (levels: number) => `{"name":"a","x":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  equal((await post(deep(BODY_LIMITS.maxDepth - 1))).status, 201);
  equal((await post(deep(BODY_LIMITS.maxDepth))).status, 400);
  equal((await post(deep(500_000))).status, 400);
  equal((await post(JSON.stringify({ name: '[{"\\'.repeat(200) }))).status, 201);
});

Deno.test("createHandler() refuses a body over the limit by 413, announced or not", async () => {
  const { send } = setUp({ limits: { ...BODY_LIMITS, maxBytes: 100 } });
  const large = JSON.stringify({ name: "a".repeat(100) });
  const announced = await send("POST", "/api/v1/things", {
    headers: { ...json, "content-length": String(large.length) },
    body: large,
  });
  equal(announced.status, 413);
  const streamed = await send("POST", "/api/v1/things", { headers: json, body: new Blob([large]).stream() });
  equal(streamed.status, 413);
  equal(streamed.json().code, "too_large");
});

Deno.test("createHandler() refuses a body that does not arrive in time by 408", async () => {
  const { send } = setUp({ limits: { ...BODY_LIMITS, timeoutMs: 30 } });
  const stuck = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) });
  const answer = await send("POST", "/api/v1/things", { headers: json, body: stuck });
  equal(answer.status, 408);
  equal(answer.headers.get("connection"), "close");
});

Deno.test("createHandler() keeps what failed inside from the wire and tells the log", async () => {
  const { send, errors } = setUp();
  const boom = await send("POST", "/api/v1/things", { headers: json, body: '{"name":"boom"}' });
  equal(boom.status, 500);
  equal(boom.json().code, "internal");
  equal(boom.text.includes("secret detail"), false);
  const taken = await send("POST", "/api/v1/things", { headers: json, body: '{"name":"taken"}' });
  equal(taken.status, 409);
  deepEqual(taken.json(), { error: "taken", code: "conflict" });
  deepEqual(errors.map((error) => (error as Error).message), ["secret detail", "row 7"]);
});

Deno.test("createHandler() sends a prepared answer as it is", async () => {
  const handler = createHandler([bind(listThings, () => new Prepared("a 1\n", "text/plain; version=0.0.4"))], {
    authenticate: () => CALLERS.good!,
    meter: () => () => {},
    onError: () => {},
  });
  const response = await handler(new Request("https://helyos.test/api/v1/things"), INFO);
  equal(response.headers.get("content-type"), "text/plain; version=0.0.4");
  match(await response.text(), /^a 1\n$/);
  notEqual(response.headers.get("cache-control"), "no-store");
});
