/**
 * A proxy whose program is still being looked at: starting the daemon does not wait for that, the first route does.
 *
 * @module
 */
import type { DesiredProxy, ProxyBackend, ProxyStatus, SiteStatus } from "../backend.ts";

/** See {@linkcode ProxyBackend}. */
export class LateProxy implements ProxyBackend {
  readonly #wanted: string;
  readonly #opening: Promise<ProxyBackend>;
  #opened: ProxyBackend | undefined;

  /**
   * @param wanted Its name until it is known which one it is.
   * @param opening The proxy, or the one that serves instead.
   */
  constructor(wanted: string, opening: Promise<ProxyBackend>) {
    this.#wanted = wanted;
    this.#opening = opening;
    opening.then((opened) => this.#opened = opened, () => {/* apply() rejects with it */});
  }

  get name(): string {
    return this.#opened?.name ?? this.#wanted;
  }

  async apply(desired: DesiredProxy): Promise<readonly SiteStatus[]> {
    return await (await this.#opening).apply(desired);
  }

  status(): ProxyStatus {
    return this.#opened?.status() ?? { state: "idle", detail: "nothing to serve" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opening.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }
}
