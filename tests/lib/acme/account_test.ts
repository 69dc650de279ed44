/**
 * Accounts at real pebble: bound to one made elsewhere, changed, given another key, ended.
 */
import { equal, ok, rejects } from "node:assert/strict";
import { AcmeClient } from "@helyos/acme";
import { generateKeyPair } from "@helyos/pki";
import { startPebble } from "../../support/pebble.ts";
import { lacking } from "../../support/tools.ts";
import { registered } from "./support.ts";

const ignore = lacking("pebble", "pebble-challtestsrv");
const order = { identifiers: [{ type: "dns" as const, value: "account.example.com" }] };

Deno.test({
  name: "AcmeClient.register() binds the account where the CA asks for it, and refuses wrong keys",
  ignore,
  async fn() {
    const hmacKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    await using pebble = await startPebble({ externalAccounts: { "kid-1": hmacKey } });
    const { directoryUrl, ca } = pebble;
    await using client = new AcmeClient({ directoryUrl, ca, accountKey: await generateKeyPair() });
    equal((await client.directory()).meta?.externalAccountRequired, true);
    await rejects(client.register(), { code: "account" });
    const register = (keyId: string, hmac: string) => client.register({ externalAccount: { keyId, hmacKey: hmac } });
    await rejects(register("kid-2", hmacKey), { name: "AcmeError" });
    await rejects(register("kid-1", `${hmacKey.slice(0, -4)}AAAA`), { name: "AcmeError" });
    await rejects(register("kid-1", "no base64!"), SyntaxError);
    ok(await register("kid-1", `${hmacKey}\n`));
    equal((await client.newOrder(order)).status, "pending");
  },
});

Deno.test({
  name: "AcmeClient.changeKey() lets the new key sign and the old one no more",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    const [oldKey, newKey] = [await generateKeyPair(), await generateKeyPair()];
    await using client = await registered(pebble, { accountKey: oldKey });
    const url = client.accountUrl!;
    await rejects(async () => client.changeKey(await generateKeyPair("ec-p384")), TypeError);
    await client.changeKey(newKey);
    equal((await client.newOrder(order)).status, "pending");
    const { directoryUrl, ca } = pebble;
    await using old = new AcmeClient({ directoryUrl, ca, accountKey: oldKey, accountUrl: url });
    await rejects(old.newOrder(order), { name: "AcmeError" });
    await using found = new AcmeClient({ directoryUrl, ca, accountKey: newKey });
    equal(await found.register(), url);
  },
});

Deno.test({
  name: "AcmeClient.deactivate() ends the account: what follows fails with code account",
  ignore,
  async fn() {
    await using pebble = await startPebble();
    await using client = await registered(pebble);
    await client.changeContact(["other@example.com"]);
    await client.deactivate();
    await rejects(client.newOrder(order), { code: "account" });
  },
});

Deno.test({
  name: "AcmeClient asks for registration before anything that needs an account",
  async fn() {
    const accountKey = await generateKeyPair();
    await using client = new AcmeClient({ directoryUrl: "https://localhost:1/dir", accountKey });
    await rejects(client.order("https://localhost:1/order/1"), /register the account first/);
    await rejects(
      async () => new AcmeClient({ directoryUrl: "https://localhost:1", accountKey: await generateKeyPair("ed25519") }),
      TypeError,
    );
  },
});
