import type { CertAuthenticator } from "./authenticator.ts";
import type { Handler, ServeInfo } from "./handler.ts";

/** Options for {@linkcode withCertAuth}. */
export interface CertAuthOptions {
  /**
   * What happens to a request whose certificate is not allowed: `"deny"` answers 403; `"next"` calls the handler with
   * `info.principal` being `null`, so that it can try another method. With `"next"` a valid certificate of somebody
   * else gets as far as that other method.
   * @default {"deny"}
   */
  readonly fallback?: "deny" | "next";
}

/**
 * Lets only clients with an allowed certificate through to a handler.
 *
 * A refused request gets 403 with an empty body; a WebSocket is refused the same way, before the upgrade. On a server
 * that demands no client certificates nobody is ever allowed.
 *
 * @example Refused without a certificate, named with one
 * ```ts
 * import { certAuthenticator, type ServeInfo, withCertAuth } from "@helyos/tls";
 * import { equal } from "node:assert/strict";
 *
 * const handler = withCertAuth(
 *   (_request, info) => new Response(`hello ${info.principal}`),
 *   certAuthenticator({ allowedCns: ["device-01"] }),
 * );
 * const info: ServeInfo = {
 *   remoteAddr: { hostname: "127.0.0.1", port: 1 },
 *   peer: null,
 *   principal: null,
 *   serverName: null,
 *   protocol: "TLSv1.3",
 * };
 * equal((await handler(new Request("https://localhost/"), info)).status, 403);
 * ```
 * @param handler What to call for allowed requests; it finds the client's name in `info.principal`.
 * @param authenticator Who is allowed.
 * @param options What to do with the others.
 * @returns The guarded handler.
 * @throws {RangeError} If `fallback` is neither `"deny"` nor `"next"`.
 */
export function withCertAuth(
  handler: Handler,
  authenticator: CertAuthenticator,
  options: CertAuthOptions = {},
): Handler {
  const { fallback = "deny" } = options;
  if (fallback !== "deny" && fallback !== "next") {
    throw new RangeError(`Cannot guard the handler: fallback is ${JSON.stringify(fallback)}, not "deny" or "next"`);
  }
  return (request: Request, info: ServeInfo): Response | Promise<Response> => {
    const principal = authenticator.authorize(info?.peer);
    if (principal === null && fallback === "deny") return new Response(null, { status: 403 });
    return handler(request, { ...info, principal });
  };
}
