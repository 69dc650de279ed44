/**
 * Lists routes.
 *
 * @module
 */
import { listRoutes, type Route } from "@helyos/api";
import { bind, type Binding } from "../server/bind.ts";
import type { Store } from "../store/store.ts";
import { ROUTES } from "./records.ts";

/** Serves the listing of routes. */
export function routeBindings({ store }: { readonly store: Store }): Binding[] {
  return [
    bind(listRoutes, async ({ input }) => {
      const routes = (await store.list<Route>(ROUTES)).map((entry) => entry.value);
      return input.project === undefined ? routes : routes.filter((route) => route.project === input.project);
    }),
  ];
}
