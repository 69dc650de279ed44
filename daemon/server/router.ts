/**
 * Finds the binding of a request's method and path. Compiled once from the endpoint values.
 *
 * @module
 */
import type { Binding } from "./bind.ts";
import { Failure } from "./failure.ts";

/** Longest name the wire contract allows, in characters: a longer one in a path names nothing. */
const LONGEST_NAME = 253;

/** The bindings of one path, by method. */
export interface PathEntry<Route> {
  /** The path as the contract writes it, for example `/api/v1/tokens/{name}`. */
  readonly pattern: string;
  /** What serves each method; `HEAD` is served by `GET`. */
  readonly methods: ReadonlyMap<string, Route>;
  /** Value of the `Allow` header. */
  readonly allow: string;
}

/** A path that exists, and the values of its placeholders. */
export interface PathMatch<Route> {
  readonly entry: PathEntry<Route>;
  /** Decoded; undefined when the path has no placeholder. */
  readonly parameters: Readonly<Record<string, string>> | undefined;
}

interface Pattern<Route> {
  readonly segments: readonly { readonly text: string; readonly placeholder: boolean }[];
  readonly entry: PathEntry<Route>;
}

/** Paths without placeholders are found in one look; the others segment by segment. */
export class Router<Route> {
  readonly #fixed = new Map<string, PathMatch<Route>>();
  readonly #patterns: Pattern<Route>[] = [];

  /**
   * @param bindings What there is to serve.
   * @param compile Makes what a match gives back; called once for each binding.
   * @throws {TypeError} If two bindings have one method and path.
   */
  constructor(bindings: readonly Binding[], compile: (binding: Binding) => Route) {
    const byPath = new Map<string, Map<string, Route>>();
    for (const binding of bindings) {
      const { method, path } = binding.endpoint;
      const methods = byPath.get(path) ?? new Map<string, Route>();
      if (methods.has(method)) throw new TypeError(`Two bindings of ${method} ${path}`);
      const route = compile(binding);
      methods.set(method, route);
      if (method === "GET") methods.set("HEAD", route);
      byPath.set(path, methods);
    }
    for (const [pattern, methods] of byPath) {
      const entry = { pattern, methods, allow: [...methods.keys()].sort().join(", ") };
      if (!pattern.includes("{")) {
        this.#fixed.set(pattern, { entry, parameters: undefined });
        continue;
      }
      const segments = pattern.slice(1).split("/").map((text) =>
        text.startsWith("{") ? { text: text.slice(1, -1), placeholder: true } : { text, placeholder: false }
      );
      this.#patterns.push({ segments, entry });
    }
  }

  /**
   * The bindings of a path, or undefined when there is no such path.
   *
   * @param path Percent-encoded, without query.
   * @throws {Failure} `bad_request` when the value of a placeholder cannot be decoded, `not_found` when nothing could
   *   have that name.
   */
  match(path: string): PathMatch<Route> | undefined {
    const fixed = this.#fixed.get(path);
    if (fixed !== undefined) return fixed;
    const given = path.slice(1).split("/");
    for (const { segments, entry } of this.#patterns) {
      if (segments.length !== given.length) continue;
      if (
        !segments.every(({ text, placeholder }, index) => placeholder ? given[index] !== "" : given[index] === text)
      ) {
        continue;
      }
      const parameters: Record<string, string> = {};
      segments.forEach(({ text, placeholder }, index) => {
        if (placeholder) parameters[text] = decodeSegment(given[index]!);
      });
      return { entry, parameters };
    }
    return undefined;
  }
}

/** RFC 3986 §2.1: percent-encoded UTF-8. */
function decodeSegment(segment: string): string {
  let value: string;
  try {
    value = decodeURIComponent(segment);
  } catch {
    throw new Failure("bad_request", "the path is not valid percent-encoded UTF-8");
  }
  if (value.includes("\0")) throw new Failure("bad_request", "the path contains a NUL character");
  if (value.length > LONGEST_NAME && [...value].length > LONGEST_NAME) {
    throw new Failure("not_found", `not found: no name is longer than ${LONGEST_NAME} characters`);
  }
  return value;
}
