/**
 * The endpoints of routes.
 *
 * @module
 */
import { createRoute, deleteRoute, listRoutes } from "@helyos/api";
import { bind, type Binding, type Call } from "../server/bind.ts";
import * as routes from "./routes.ts";

/** Serves routes. */
export function routeBindings(deps: routes.RouteDeps): Binding[] {
  return [
    bind(listRoutes, ({ input }) => routes.listRoutes(deps, input.project)),
    bind(createRoute, (call) => routes.createRoute(deps, call.input, actor(call))),
    bind(deleteRoute, (call) => routes.deleteRoute(deps, call.input.domain, actor(call))),
  ];
}

function actor(call: Call<unknown>): routes.Actor {
  return { actor: call.caller!.name, address: call.address };
}
