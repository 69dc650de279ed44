/**
 * What the daemon says about itself.
 *
 * @module
 */
import {
  API_VERSION,
  type CaDocument,
  openApiDocument,
  readCa,
  readHealth,
  readOpenApi,
  readVersion,
  VERSION,
} from "@helyos/api";
import { bind, type Binding, Prepared } from "../server/bind.ts";
import { Failure } from "../server/failure.ts";

/** What it needs to know. */
export interface SystemDeps {
  /** The CA to pin now; undefined when TLS is off or a supplied certificate is served. */
  readonly ca: () => CaDocument | undefined;
}

/** Serves health, version, CA and the OpenAPI document. */
export function systemBindings(deps: SystemDeps): Binding[] {
  let openApi: Prepared | undefined;
  return [
    bind(readHealth, () => "ok"),
    bind(readVersion, () => ({ version: VERSION, api: API_VERSION })),
    bind(readCa, () => {
      const ca = deps.ca();
      if (ca === undefined) throw new Failure("not_found", "no self-signed CA (TLS off or BYO cert)");
      return { pem: ca.pem, sha256: ca.sha256 };
    }),
    bind(readOpenApi, () => openApi ??= new Prepared(JSON.stringify(openApiDocument()))),
  ];
}
