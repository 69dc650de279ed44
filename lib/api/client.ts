/**
 * Calls an {@linkcode Endpoint} over anything shaped like `fetch`.
 *
 * @module
 */
import type { Endpoint } from "./endpoint.ts";
import type { FailureCode } from "./failure.ts";

/** Sends one request: `path` starts with a slash and is relative to the daemon's origin. */
export type Fetcher = (path: string, init?: RequestInit) => Promise<Response>;

/** The daemon refused, or answered something that cannot be read. */
export class ApiError extends Error {
  /** Always `ApiError`. */
  override readonly name = "ApiError";
  /** HTTP status of the answer. */
  readonly status: number;
  /** The daemon's code; `bad_answer` when its answer makes no sense; null when an older daemon sent none. */
  readonly code: FailureCode | "bad_answer" | null;
  /** Seconds to wait before trying again, when the daemon said so. */
  readonly retryAfterSeconds: number | null;

  /**
   * Makes the error of one answer.
   *
   * @param message What could not be done.
   * @param details Status, code and delay of the answer.
   * @param options The cause, if any.
   */
  constructor(
    message: string,
    details: { status: number; code: FailureCode | "bad_answer" | null; retryAfterSeconds?: number | null },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = details.status;
    this.code = details.code;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }
}

/** Longest JSON answer read, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Calls an endpoint and gives back its typed answer.
 *
 * The token, the trust and the address are the fetcher's business; see `@helyos/pinning`.
 *
 * @example
 * ```ts
 * import { callEndpoint, readVersion } from "@helyos/api";
 * import { equal } from "node:assert/strict";
 *
 * const fetcher = () => Promise.resolve(Response.json({ version: "0.4.0", api: "v1" }));
 * equal((await callEndpoint(fetcher, readVersion, {})).api, "v1");
 * ```
 * @param fetcher Sends the request.
 * @param endpoint Which operation.
 * @param input What to give it.
 * @returns The answer, judged by the endpoint's schema. Fields the schema does not know are dropped.
 * @throws {ApiError} If the daemon refuses, or its answer does not fit the schema.
 */
export async function callEndpoint<Input, Output>(
  fetcher: Fetcher,
  endpoint: Endpoint<Input, Output>,
  input: Input,
): Promise<Output> {
  const { path, init } = requestFor(endpoint, input);
  const response = await fetcher(path, init);
  if (!response.ok) throw await refusal(response);
  if (endpoint.answer === "empty") {
    await response.body?.cancel();
    return undefined as Output;
  }
  const body = await readText(response);
  if (endpoint.answer !== "json") return body as Output;
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (cause) {
    throw badAnswer(response, `the answer to ${endpoint.method} ${path} is not JSON`, cause);
  }
  if (!endpoint.output) return json as Output;
  const judged = endpoint.output.safeParse(json);
  if (judged.success) return judged.data;
  const issue = judged.error.issues[0];
  const where = issue?.path.join(".") || "the whole";
  throw badAnswer(
    response,
    `cannot understand the answer to ${endpoint.method} ${path}: ${where}: ${issue?.message}`,
    judged.error,
  );
}

/**
 * The request an endpoint's input becomes: placeholders of the path first, what is left in query or JSON body.
 *
 * @example
 * ```ts
 * import { requestFor, revokeToken } from "@helyos/api";
 * import { equal } from "node:assert/strict";
 *
 * equal(requestFor(revokeToken, { name: "ci/7" }).path, "/api/v1/tokens/ci%2F7");
 * ```
 * @param endpoint Which operation.
 * @param input What to give it.
 * @returns Path with query, and the rest of the request.
 * @throws {TypeError} If a placeholder of the path has no value, or one that no path can carry (empty, `.` or `..`).
 */
export function requestFor<Input, Output>(
  endpoint: Endpoint<Input, Output>,
  input: Input,
): { path: string; init: RequestInit } {
  const rest = new Map<string, unknown>(Object.entries(input as Record<string, unknown>));
  let path = endpoint.path.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = rest.get(key);
    rest.delete(key);
    if (typeof value !== "string" || value === "" || value === "." || value === "..") {
      throw new TypeError(`Cannot put ${JSON.stringify(value)} into "${endpoint.path}" as ${key}`);
    }
    return encodeURIComponent(value);
  });
  for (const [key, value] of rest) if (value === undefined) rest.delete(key);
  const headers: Record<string, string> = { accept: "application/json" };
  if (endpoint.method !== "POST") {
    const query = new URLSearchParams([...rest].map(([key, value]) => [key, String(value)]));
    if (query.size > 0) path += `?${query}`;
    return { path, init: { method: endpoint.method, headers } };
  }
  if (rest.size === 0) return { path, init: { method: "POST", headers } };
  headers["content-type"] = "application/json";
  return { path, init: { method: "POST", headers, body: JSON.stringify(Object.fromEntries(rest)) } };
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await readText(response).catch(() => "");
  const body = jsonObject(text);
  const code = typeof body?.code === "string" ? body.code as FailureCode : null;
  const wait = Number(response.headers.get("retry-after") ?? NaN);
  const details = { status: response.status, code, retryAfterSeconds: Number.isFinite(wait) ? wait : null };
  if (typeof body?.error === "string" && body.error !== "") return new ApiError(body.error, details);
  return new ApiError(wordless(response, text), details);
}

function wordless(response: Response, text: string): string {
  switch (response.status) {
    case 404:
      return "Resource not found";
    case 409:
      return "Resource already exists or conflict";
    case 422:
      return `Invalid request: ${text}`;
    case 500:
      return "Internal server error — is helyosd healthy?";
    default:
      return `Request failed (${`${response.status} ${response.statusText}`.trim()}): ${text}`;
  }
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined; // An older daemon, or something in between, answers plain text.
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw badAnswer(response, `the answer is over ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return new TextDecoder().decode(whole);
}

function badAnswer(response: Response, message: string, cause?: unknown): ApiError {
  return new ApiError(message, { status: response.status, code: "bad_answer" }, { cause });
}
