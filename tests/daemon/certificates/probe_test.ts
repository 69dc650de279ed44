import { deepEqual, equal, rejects } from "node:assert/strict";
import { type HttpSolver, httpSolver } from "@helyos/acme";
import { probe } from "../../../daemon/certificates/probe.ts";
import { serveChallenges } from "../../lib/acme/support.ts";
import { freePort } from "../../support/free_port.ts";

Deno.test("probe() tells this daemon from everything else that may answer", async () => {
  const http = httpSolver();
  const asked: string[] = [];
  const finding = async (answer: HttpSolver["answer"]) => {
    const port = await freePort();
    await using _server = await serveChallenges({ answer: (path) => (asked.push(path), answer(path)) }, port);
    return await probe(
      { name: "a.example", address: "127.0.0.1", signal: AbortSignal.timeout(10_000) },
      { http, port },
    );
  };
  equal(await finding((path) => http.answer(path)), "ours");
  deepEqual(await finding(() => "a parking page"), { problem: "it gives another answer" });
  deepEqual(await finding(() => undefined), { problem: "something else answers there" });
  deepEqual(asked.map((path) => http.answer(path)), [undefined, undefined, undefined], "nothing is left behind");
  equal(new Set(asked).size, 3, "nobody can know the answer beforehand");
  const port = await freePort();
  const request = { name: "a.example", address: "127.0.0.1", signal: AbortSignal.timeout(10_000) };
  await rejects(probe(request, { http, port }), /ECONNREFUSED/);
});
