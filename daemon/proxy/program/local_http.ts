/**
 * Talks to a proxy's own control address on this machine.
 *
 * @module
 */
import { request } from "node:http";

/** Where: a port of loopback, a socket file, or the address of a program somebody else runs. */
export type ControlAddress = { readonly port: number } | { readonly socketPath: string } | { readonly url: URL };

/** What to ask. */
export interface Question {
  readonly path: string;
  /** @default {"GET"} */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** @default {5000} */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** An answer. */
export interface LocalAnswer {
  readonly status: number;
  readonly text: string;
}

/** Asks. Rejects when nobody answers in time. */
export function askLocal(at: ControlAddress, question: Question): Promise<LocalAnswer> {
  const { path, method = "GET", headers = {}, body, timeoutMs = 5_000, signal } = question;
  const where = "socketPath" in at
    ? { socketPath: at.socketPath, host: "127.0.0.1" }
    : "url" in at
    ? { host: at.url.hostname.replace(/^\[|\]$/g, ""), port: at.url.port || "80" }
    : { host: "127.0.0.1", port: at.port };
  return new Promise((resolve, reject) => {
    const sent = request({
      ...where,
      path,
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(new Blob([body]).size) }) },
      agent: false,
      ...(signal ? { signal } : {}),
    }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => text += chunk);
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, text });
      });
      response.on("error", reject);
    });
    const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    sent.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    sent.end(body);
  });
}

/** Waits a while, unless the signal comes first: then it throws the signal's reason. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
