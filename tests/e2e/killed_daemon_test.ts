/**
 * Story: the machine dies again and again while tokens are minted. Nothing that was acknowledged is lost.
 */
import { equal } from "node:assert/strict";
import { startDaemon, temporaryFolder } from "../support/process.ts";

const ROUNDS = 100;

Deno.test(`helyosd killed ${ROUNDS} times while it mints tokens keeps every one it acknowledged`, async () => {
  await using home = await temporaryFolder();
  const acknowledged = new Map<string, string>();
  const admin = "nxa-api_" + "5e".repeat(32);
  const env = { HELYOS_API_TOKEN: admin };
  for (let round = 0; round < ROUNDS; round++) {
    await using daemon = await startDaemon({ home: home.path, env });
    const headers = { authorization: `Bearer ${admin}`, "content-type": "application/json" };
    // The kill falls somewhere within or right after a mint: earlier in odd rounds, later in even ones.
    const minting = (async () => {
      for (let index = 0; index < 3; index++) {
        const name = `r${round}-${index}`;
        const answer = await fetch(`${daemon.url}/api/v1/tokens`, {
          method: "POST",
          headers,
          body: JSON.stringify({ name }),
        });
        if (answer.status !== 201) throw new Error(`mint answered ${answer.status}: ${await answer.text()}`);
        acknowledged.set(name, (await answer.json()).id);
        if (index === round % 3) queueMicrotask(() => void daemon.stop("SIGKILL"));
      }
    })();
    await minting.catch((error) => {
      if (!(error instanceof TypeError)) throw error; // A connection the kill cut is what this test is about.
    });
    await daemon.stop("SIGKILL");
  }
  await using daemon = await startDaemon({ home: home.path, env });
  const answer = await fetch(`${daemon.url}/api/v1/tokens`, { headers: { authorization: `Bearer ${admin}` } });
  const kept = new Map((await answer.json() as { name: string; id: string }[]).map((token) => [token.name, token.id]));
  for (const [name, id] of acknowledged) equal(kept.get(name), id, `${name} was acknowledged and is gone`);
});
