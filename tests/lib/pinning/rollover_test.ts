import { fingerprintOfPem, followRollover, PinnedClient } from "@helyos/pinning";
import { deepEqual, equal, rejects } from "node:assert/strict";
import { httpAnswer, startHostileServer } from "../../support/hostile_server.ts";
import { daysFromNow, forge, forgeCa, type Forged, forgeServer } from "./forge.ts";

/** An old CA, a new one, and the link between them: the new one's name and key, signed by the old one. */
async function generations(): Promise<{ old: Forged; next: Forged; link: Forged }> {
  const [old, next] = [await forgeCa("CA"), await forgeCa("CA 2")];
  return { old, next, link: await forgeCa("CA 2", { key: next.key, issuer: old }) };
}

Deno.test("followRollover() refuses a CA that the pinned one did not sign for", async () => {
  const { old, next, link } = await generations();
  const stranger = await forgeCa("CA 2");
  const cases: [string, { pinned: string; offered: string; link: string }][] = [
    ["no link", { pinned: old.pem, offered: next.pem, link: next.pem }],
    ["a link to somebody else", { pinned: old.pem, offered: stranger.pem, link: link.pem }],
    ["another pin", { pinned: (await forgeCa("CA")).pem, offered: next.pem, link: link.pem }],
    ["a link signed by the new CA itself", {
      pinned: old.pem,
      offered: next.pem,
      link: (await forge({ subject: "CA 2", key: next.key, issuer: { ...next, subject: "CA" }, ca: true })).pem,
    }],
    ["a link with another name", {
      pinned: old.pem,
      offered: next.pem,
      link: (await forgeCa("CA 3", { key: next.key, issuer: old })).pem,
    }],
    ["a server's certificate as a link", {
      pinned: old.pem,
      offered: next.pem,
      link: (await forgeServer(old, { subject: "CA 2", key: next.key })).pem,
    }],
    ["a link that may not sign", {
      pinned: old.pem,
      offered: next.pem,
      link: (await forge({ subject: "CA 2", key: next.key, issuer: old, ca: true, usage: ["cRLSign"] })).pem,
    }],
    ["a link that has expired", {
      pinned: old.pem,
      offered: next.pem,
      link: (await forgeCa("CA 2", { key: next.key, issuer: old, until: -1 })).pem,
    }],
  ];
  for (const [what, rollover] of cases) {
    await rejects(() => followRollover(rollover), { name: "PinningError", code: "invalid_link" }, what);
  }
  const late = { pinned: old.pem, offered: next.pem, link: link.pem };
  await rejects(() => followRollover(late, { at: daysFromNow(11) }), { code: "invalid_ca" });
});

Deno.test("followRollover() refuses what is no CA", async () => {
  const { old, next, link } = await generations();
  const leaf = await forgeServer(old, { subject: "CA 2", key: next.key });
  for (const offered of [leaf.pem, "nonsense", next.pem + old.pem]) {
    await rejects(() => followRollover({ pinned: old.pem, offered, link: link.pem }), { code: "invalid_ca" });
  }
  const dead = await forgeCa("CA 2", { key: next.key, until: -1 });
  await rejects(() => followRollover({ pinned: old.pem, offered: dead.pem, link: link.pem }), { code: "invalid_ca" });
  const unsigned = await forgeCa("CA 2", { key: next.key, issuer: { ...old, subject: "CA 2" } });
  await rejects(() => followRollover({ pinned: old.pem, offered: unsigned.pem, link: link.pem }), {
    code: "invalid_ca",
  });
});

Deno.test("followRollover() gives the new pin, from text and from what a server presented", async () => {
  const { old, next, link } = await generations();
  const pin = { pem: next.pem, fingerprint: await fingerprintOfPem(next.pem) };
  deepEqual(await followRollover({ pinned: old.pem, offered: next.pem, link: link.pem }), pin);
  const leaf = await forgeServer(next);
  await using server = await startHostileServer({
    cert: leaf.pem + link.pem,
    key: leaf.keyPem,
    answer: () => httpAnswer("200 OK", JSON.stringify({ pem: next.pem })),
  });
  const origin = `https://localhost:${server.port}`;
  for (const ca of [old, next, link]) {
    await using client = new PinnedClient({ origin, trust: { ca: ca.pem } });
    const { pem } = await (await client.fetch("/api/v1/ca")).json();
    equal(pem, next.pem);
    if (ca === old) deepEqual(await followRollover({ pinned: old.pem, offered: pem, link: client.presented }), pin);
  }
});

Deno.test("followRollover() follows a pin that is two generations old", async () => {
  const { old, next, link } = await generations();
  const third = await forgeCa("CA 3");
  const secondLink = await forgeCa("CA 3", { key: third.key, issuer: next });
  const links = secondLink.pem + link.pem;
  equal((await followRollover({ pinned: old.pem, offered: third.pem, link: links })).pem, third.pem);
  await rejects(() => followRollover({ pinned: old.pem, offered: third.pem, link: secondLink.pem }), {
    code: "invalid_link",
  });
});
