import type { Peer } from "./peer.ts";

/** What a {@linkcode Handler} learns about the connection a request came over. */
export interface ServeInfo {
  /** Where the client is. */
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
  /** The client's certificate, verified, and the identity in it; `null` on a server that demands none. */
  readonly peer: Peer | null;
  /** The name an authenticator found for the client; `null` unless {@linkcode withCertAuth} accepted it. */
  readonly principal: string | null;
  /** The server name the client asked for (SNI), if any. */
  readonly serverName: string | null;
  /** The TLS version that was negotiated, as in `TLSv1.3`. */
  readonly protocol: string;
}

/** Answers one request. */
export type Handler = (request: Request, info: ServeInfo) => Response | Promise<Response>;
