/**
 * The endpoints of tokens and of who one is.
 *
 * @module
 */
import { createToken, listTokens, revokeToken, rotateToken, whoami } from "@helyos/api";
import { bind, type Binding, type Call, Prepared } from "../server/bind.ts";
import { unauthorized } from "../server/exchange.ts";
import { KnownToken } from "./known_token.ts";
import * as tokens from "./tokens.ts";

/** Serves tokens. */
export function tokenBindings(deps: tokens.TokenDeps): Binding[] {
  return [
    bind(whoami, ({ caller }) => {
      if (!(caller instanceof KnownToken)) throw unauthorized();
      return new Prepared(caller.identity);
    }),
    bind(listTokens, () => tokens.listTokens(deps.store)),
    bind(createToken, (call) => tokens.createToken(deps, call.input, actor(call))),
    bind(revokeToken, (call) => tokens.revokeToken(deps, call.input.name, actor(call))),
    bind(rotateToken, (call) => tokens.rotateToken(deps, call.input, actor(call))),
  ];
}

function actor(call: Call<unknown>): tokens.Actor {
  return { actor: call.caller!.name, address: call.address };
}
