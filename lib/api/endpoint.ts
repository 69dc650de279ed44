/**
 * The endpoint value: one declaration that drives validation, authorisation, the typed client, the audit name and the
 * OpenAPI page.
 *
 * @module
 */

/**
 * What a token may do. `admin` may call everything, `deploy` what running workloads needs, `read` what changes nothing.
 */
export type Scope = "admin" | "deploy" | "read";

/** HTTP methods the API uses. */
export type Method = "GET" | "POST" | "DELETE";

/** How an endpoint answers: JSON of a schema, plain text, an empty body, or a stream of server-sent events. */
export type Answer = "json" | "text" | "empty" | "events";

/** Judges a value: the part of a zod schema that callers of this library need. */
export interface Schema<T> {
  /**
   * Judges `value` without throwing.
   *
   * @param value Anything.
   * @returns The value as `T` with defaults filled in, or what is wrong with it, the first thing first.
   */
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
      readonly success: false;
      readonly error: {
        readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
      };
    };
}

/**
 * One operation of the REST API.
 *
 * `Input` is flat: names in braces in {@linkcode Endpoint.path} travel in the path (percent-encoded), the other fields in
 * the query of a `GET` or `DELETE` and in the JSON body of a `POST`.
 *
 * @typeParam Input What a caller gives, as one object.
 * @typeParam Output What the daemon answers.
 */
export interface Endpoint<Input, Output> {
  /** Its name, `noun.verb`: audit records, logs and OpenAPI's `operationId` use it. */
  readonly name: string;
  /** One sentence for people. */
  readonly summary: string;
  /** HTTP method. */
  readonly method: Method;
  /** Path with placeholders in braces, for example `/api/v1/tokens/{name}`. */
  readonly path: string;
  /** Who may call: anybody, or a token with one of these scopes. */
  readonly allow: "public" | readonly Scope[];
  /** Status of success. */
  readonly status: 200 | 201 | 204;
  /** What the body of success is. */
  readonly answer: Answer;
  /** Judges what the caller gave; absent when there is nothing to give. */
  readonly input?: Schema<Input>;
  /** Judges a JSON answer on the client; absent for other kinds of answer. */
  readonly output?: Schema<Output>;
  /** Refusals of its own, by status, beyond those every endpoint can give. */
  readonly refusals?: Readonly<Record<number, string>>;
}

/** What the caller of endpoint `E` gives. */
export type InputOf<E> = E extends Endpoint<infer Input, infer _> ? Input : never;

/** What endpoint `E` answers. */
export type OutputOf<E> = E extends Endpoint<infer _, infer Output> ? Output : never;

/** Every scope: what an endpoint that changes nothing allows. */
export const ANY_SCOPE: readonly Scope[] = ["admin", "deploy", "read"];

/** The scopes that may change workloads. */
export const DEPLOY_SCOPES: readonly Scope[] = ["admin", "deploy"];

/** The scope that may change who may do what. */
export const ADMIN_ONLY: readonly Scope[] = ["admin"];
