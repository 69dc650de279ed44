/**
 * The token that exists without anybody having minted one: made at the first start, or supplied by the operator.
 *
 * @module
 */
import { auditOperation } from "../audit/records.ts";
import { Failure } from "../server/failure.ts";
import type { Entry, Operation, Store } from "../store/store.ts";
import { type StoredToken, storeToken, tokenNameKey } from "./records.ts";
import { isActive, prefixOf, UNKNOWN_PREFIX } from "./secret.ts";
import { mint, revocation, storedTokens, type TokenDeps, unrevoked } from "./tokens.ts";

/** Name of that token. */
const FIRST_NAME = "legacy-default";

/** Key that says which made token nobody may have seen yet: `{ id }`, from its making until it was shown. */
const UNSHOWN = "first-token/unshown";

/** How the daemon comes by its first token. */
export type FirstToken =
  /** The secret was made just now and is to be shown, then {@linkcode firstTokenShown} is to be called. */
  | {
    readonly kind: "generated";
    readonly secret: string;
    /** Nothing was there; or an earlier start made one and ended before it could tell that it had shown it. */
    readonly why: "first_start" | "not_shown";
  }
  /** The operator's secret is stored from now on. */
  | { readonly kind: "stored"; readonly secret: string }
  /** The operator's secret was stored before. */
  | { readonly kind: "supplied"; readonly secret: string }
  /** The operator's secret was revoked, and stays it. */
  | { readonly kind: "revoked" }
  /** There are tokens, and none was supplied. */
  | { readonly kind: "existing"; readonly active: boolean };

/**
 * Sees to it that there is a token.
 *
 * @param supplied The secret of `--api-token` or `HELYOS_API_TOKEN`.
 */
export async function prepareFirstToken(deps: TokenDeps, supplied?: string): Promise<FirstToken> {
  const entries = await storedTokens(deps.store);
  if (supplied === undefined) {
    const notShown = entries.length > 0 && await isNotShown(deps, entries);
    if (entries.length > 0 && !notShown) {
      return { kind: "existing", active: entries.some((entry) => isActive(entry.value, deps.now())) };
    }
    const secret = await replaceFirst(deps, { action: "token.create", actor: "helyosd", toShow: true });
    return { kind: "generated", secret, why: notShown ? "not_shown" : "first_start" };
  }
  const match = await findRecord(deps, entries, supplied);
  if (match !== undefined) {
    return isActive(match, deps.now()) ? { kind: "supplied", secret: supplied } : { kind: "revoked" };
  }
  await replaceFirst(deps, { action: "token.create", actor: "helyosd", secret: supplied });
  return { kind: "stored", secret: supplied };
}

/** Notes that the made token was shown: from now on no start makes another one. */
export async function firstTokenShown(store: Store): Promise<void> {
  await store.commit([{ delete: UNSHOWN }]);
}

/**
 * Replaces the first token: for the operator on the host who lost every secret. Works beside a running daemon.
 *
 * @returns The new secret.
 */
export function resetFirstToken(deps: TokenDeps): Promise<string> {
  return replaceFirst(deps, { action: "token.reset", actor: "local" });
}

/** Whether a start made a token and was killed before it noted that it had shown it, and nobody has used it since. */
async function isNotShown(deps: TokenDeps, entries: readonly Entry<StoredToken>[]): Promise<boolean> {
  const unshown = await deps.store.get<{ id: string }>(UNSHOWN);
  const token = entries.find(({ value }) => value.id === unshown?.value.id)?.value;
  return token !== undefined && isActive(token, deps.now()) && token.lastUsedAt === null;
}

/** The record a secret belongs to, whether it still works or not. */
async function findRecord(
  deps: TokenDeps,
  entries: readonly Entry<StoredToken>[],
  secret: string,
): Promise<StoredToken | undefined> {
  const prefix = prefixOf(secret);
  const candidates = entries.map((entry) => entry.value)
    .filter((token) => token.prefix === prefix || token.prefix === UNKNOWN_PREFIX)
    // One that works first: a name's earlier, revoked record may have the same secret
    .sort((a, b) => Number(isActive(b, deps.now())) - Number(isActive(a, deps.now())));
  for (const token of candidates) {
    if (await deps.hasher.verify(secret, token.hash, { key: "start" })) return token;
  }
  return undefined;
}

async function replaceFirst(
  deps: TokenDeps,
  how: { readonly action: string; readonly actor: string; readonly secret?: string; readonly toShow?: boolean },
): Promise<string> {
  const { token, secret } = await mint(deps, {
    name: FIRST_NAME,
    scope: "admin",
    lifetimeMs: null,
    ...(how.secret === undefined ? {} : { secret: how.secret }),
  });
  for (let attempt = 0; attempt < 10; attempt++) {
    const pointer = await deps.store.get(tokenNameKey(FIRST_NAME));
    // One that was perhaps shown works on: the kill may have come between showing it and noting that
    const old = how.toShow ? [] : await unrevoked(deps.store, FIRST_NAME);
    const operations: Operation[] = [
      ...old.flatMap((entry) => revocation(entry.value, deps.now())),
      ...storeToken(token),
      how.toShow ? { put: UNSHOWN, value: { id: token.id } } : { delete: UNSHOWN },
      auditOperation(deps, { actor: how.actor, action: how.action, target: FIRST_NAME, address: null }),
    ];
    const guards = [...old, { key: tokenNameKey(FIRST_NAME), revision: pointer?.revision ?? 0 }];
    if (!await deps.store.commit(operations, guards)) continue;
    deps.forget(old.map((entry) => entry.value.id));
    return secret;
  }
  throw new Failure("unavailable", `the token '${FIRST_NAME}' is being changed by somebody else; try again`);
}
