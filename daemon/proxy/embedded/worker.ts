/**
 * A thread of the proxy: it does what the daemon orders, and reports.
 *
 * @module
 */
import { ProxyCore } from "./core.ts";
import type { Order, Report } from "./protocol.ts";

const thread = self as unknown as {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(report: Report): void;
  close(): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
};

let core: ProxyCore | undefined;
let last: Promise<void> = Promise.resolve();

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case "start":
      core = new ProxyCore(order.limits, (ports) => thread.postMessage({ kind: "ports", ports }));
      return;
    case "change": {
      const failed = await core!.change(order.change);
      thread.postMessage({ kind: "changed", id: order.id, failed, ports: core!.ports });
      return;
    }
    case "stop":
      await core?.[Symbol.asyncDispose]();
      thread.postMessage({ kind: "stopped" });
      thread.close();
  }
}

function crash(event: Event, error: unknown): void {
  event.preventDefault(); // the daemon tells it, where it tells everything
  thread.postMessage({
    kind: "crashed",
    reason: error instanceof Error ? error.stack ?? error.message : String(error),
  });
}

thread.addEventListener("unhandledrejection", (event) => crash(event, event.reason));
thread.addEventListener("error", (event) => crash(event, event.error));

// One order after the other
thread.onmessage = ({ data }) => {
  last = last.then(() => obey(data));
};
