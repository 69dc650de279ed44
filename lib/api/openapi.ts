/**
 * The API as an OpenAPI 3.1 document, made from the endpoint values.
 *
 * @module
 */
import { z } from "zod";
import type { AnyEndpoint } from "./endpoints.ts";
import { ENDPOINTS } from "./endpoints.ts";
import type { Schema } from "./endpoint.ts";
import { FAILURE_STATUS } from "./failure.ts";
import { VERSION } from "./version.ts";

type Json = Record<string, unknown>;

/**
 * Describes endpoints as an OpenAPI 3.1 document.
 *
 * @example
 * ```ts
 * import { openApiDocument } from "@helyos/api";
 * import { equal } from "node:assert/strict";
 *
 * const document = openApiDocument() as { openapi: string; paths: Record<string, unknown> };
 * equal(document.openapi, "3.1.0");
 * equal("/api/v1/whoami" in document.paths, true);
 * ```
 * @param endpoints Which operations; all of them by default.
 * @returns The document as a plain object, ready for `JSON.stringify`.
 */
export function openApiDocument(endpoints: readonly AnyEndpoint[] = ENDPOINTS): unknown {
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    (paths[endpoint.path] ??= {})[endpoint.method.toLowerCase()] = operation(endpoint);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Helyos",
      version: VERSION,
      summary: "The control plane of a small cluster",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "An API token, `nxa-api_…`" } },
      schemas: {
        Failure: {
          type: "object",
          required: ["error", "code"],
          properties: { error: { type: "string" }, code: { enum: Object.keys(FAILURE_STATUS) } },
        },
      },
    },
  };
}

function operation(endpoint: AnyEndpoint): Json {
  const fields = inputFields(endpoint);
  const inPath = new Set([...endpoint.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!));
  const parameters = Object.entries(fields.properties)
    .filter(([name]) => inPath.has(name) || endpoint.method !== "POST")
    .map(([name, schema]) => ({
      name,
      in: inPath.has(name) ? "path" : "query",
      required: inPath.has(name) || fields.required.includes(name),
      schema,
    }));
  const inBody = Object.entries(fields.properties).filter(([name]) => !inPath.has(name));
  return {
    operationId: endpoint.name,
    summary: endpoint.summary,
    ...(endpoint.allow === "public" ? { security: [] } : { security: [{ token: [] }], "x-scopes": endpoint.allow }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(endpoint.method === "POST" && inBody.length > 0
      ? { requestBody: { required: true, content: jsonContent(bodySchema(inBody, fields.required)) } }
      : {}),
    responses: responses(endpoint),
  };
}

function responses(endpoint: AnyEndpoint): Json {
  const all: Json = { [endpoint.status]: { description: endpoint.summary, ...answerContent(endpoint) } };
  const refusals: Record<number, string> = {
    ...(endpoint.input ? { 400: "the request cannot be read" } : {}),
    ...(endpoint.allow === "public" ? {} : {
      401: "missing or invalid bearer token",
      403: "the token's scope does not allow this",
      429: "too many failed attempts from this address; see Retry-After",
    }),
    ...endpoint.refusals,
  };
  for (const [status, description] of Object.entries(refusals)) {
    all[status] = { description, content: jsonContent({ $ref: "#/components/schemas/Failure" }) };
  }
  return all;
}

function answerContent(endpoint: AnyEndpoint): Json {
  switch (endpoint.answer) {
    case "json":
      return { content: jsonContent(endpoint.output ? jsonSchema(endpoint.output, "output") : {}) };
    case "text":
      return { content: { "text/plain": { schema: { type: "string" } } } };
    case "events":
      return { content: { "text/event-stream": { schema: { type: "string" } } } };
    case "empty":
      return {};
  }
}

function inputFields(endpoint: AnyEndpoint): { properties: Record<string, unknown>; required: string[] } {
  if (!endpoint.input) return { properties: {}, required: [] };
  const schema = jsonSchema(endpoint.input, "input");
  return {
    properties: (schema.properties ?? {}) as Record<string, unknown>,
    required: (schema.required ?? []) as string[],
  };
}

function bodySchema(fields: [string, unknown][], required: readonly string[]): Json {
  const names = fields.map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(fields),
    required: required.filter((name) => names.includes(name)),
  };
}

function jsonContent(schema: Json): Json {
  return { "application/json": { schema } };
}

function jsonSchema(schema: Schema<unknown>, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema as z.ZodType, { io, unrepresentable: "any" }) as Json;
  return rest;
}
