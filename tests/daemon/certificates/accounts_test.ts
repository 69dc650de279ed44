/**
 * Accounts at real pebble.
 */
import { deepEqual, ok, rejects } from "node:assert/strict";
import { Accounts } from "../../../daemon/certificates/accounts.ts";
import type { AcmeSettings } from "../../../daemon/certificates/settings.ts";
import { openSealerWith } from "../../../daemon/secrets/seal.ts";
import { openSqliteStore } from "../../../daemon/store/sqlite.ts";
import { startFaults } from "../../support/acme_faults.ts";
import { startPebble } from "../../support/pebble.ts";
import { lacking } from "../../support/tools.ts";

const hmacKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

Deno.test({
  name: "Accounts tell a CA that asks of the account made elsewhere, no other, and whose flags it were when it refuses",
  ignore: lacking("pebble", "pebble-challtestsrv"),
  async fn() {
    await using first = await startPebble({ env: { PEBBLE_WFE_NONCEREJECT: "0" } });
    await using faults = await startFaults(first);
    await using second = await startPebble({ externalAccounts: { ours: hmacKey } });
    await using store = await openSqliteStore(":memory:");
    const sealer = await openSealerWith(crypto.getRandomValues(new Uint8Array(32)));
    const open = (settings: Partial<AcmeSettings>) =>
      new Accounts({
        store,
        sealer,
        now: () => new Date(),
        email: () => "ops@example.com",
        settings: { directory: faults.directoryUrl, ca: faults.ca + second.ca, ...settings },
      });
    const both = { fallback: second.directoryUrl };
    const check = "check --acme-eab-kid and --acme-eab-hmac-file";
    const refusals: [Partial<AcmeSettings>, RegExp][] = [
      [both, /Cannot make an account: this CA wants one that was made elsewhere: start helyosd with --acme-eab-kid/],
      [{ externalAccount: { keyId: "another", hmacKey } }, new RegExp(`${check}$`)],
      [
        { ...both, externalAccount: { keyId: "ours", hmacKey: `${hmacKey.slice(0, -4)}AAAA` } },
        new RegExp(`${check}; they hold for one CA, and this may be the other$`),
      ],
    ];
    for (const [settings, message] of refusals) {
      await using accounts = open(settings);
      await rejects(() => accounts.client(second.directoryUrl), { code: "account", message });
    }
    await using accounts = open({ ...both, externalAccount: { keyId: "ours", hmacKey } });
    await accounts.client(faults.directoryUrl);
    ok((await accounts.client(second.directoryUrl)).accountUrl);
    const told = faults.seen.filter(({ path }) => path === "/sign-me-up").map(({ payload }) => Object.keys(payload));
    deepEqual(told, [["termsOfServiceAgreed", "contact"]]);
  },
});
