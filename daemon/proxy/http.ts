/**
 * The endpoints of the proxy in front of the routes.
 *
 * @module
 */
import { readProxyConfig, updateProxyConfig } from "@helyos/api";
import { bind, type Binding } from "../server/bind.ts";
import type { ProxyChoice } from "./choice.ts";
import type { ProxyKeeper } from "./reconcile.ts";

/** What it needs. */
export interface ProxyDeps {
  readonly choice: Pick<ProxyChoice, "acmeEmail" | "change">;
  readonly proxy: Pick<ProxyKeeper, "backend" | "status">;
}

/** Serves the proxy's configuration. */
export function proxyBindings({ choice, proxy }: ProxyDeps): Binding[] {
  return [
    bind(readProxyConfig, () => ({
      backend: proxy.backend,
      acme_email: choice.acmeEmail ?? null,
      state: proxy.status().detail,
    })),
    bind(updateProxyConfig, async ({ input, caller, address }) => {
      const chosen = await choice.change(input, { actor: caller!.name, address });
      return { ...chosen, state: proxy.status().detail, status: "updated" };
    }),
  ];
}
