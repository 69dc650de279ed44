/**
 * Stands in where no proxy can be started: nothing is served, and everybody is told why.
 *
 * @module
 */
import type { DesiredProxy, ProxyBackend, ProxyStatus, SiteStatus } from "./backend.ts";

/** A proxy that serves nothing. */
export class AbsentProxy implements ProxyBackend {
  #sites = 0;

  constructor(readonly name: string, readonly why: string) {}

  apply({ sites }: DesiredProxy): Promise<readonly SiteStatus[]> {
    this.#sites = sites.length;
    return Promise.resolve(sites.map(({ domain }) => ({ domain, state: "failed", reason: this.why })));
  }

  status(): ProxyStatus {
    return this.#sites === 0 ? { state: "idle", detail: "nothing to serve" } : { state: "failing", detail: this.why };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
