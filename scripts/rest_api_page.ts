import { ENDPOINTS, FAILURE_STATUS, openApiDocument } from "@helyos/api";

interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: Schema }[];
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
  readonly responses: Readonly<Record<string, { description: string; content?: Record<string, { schema: Schema }> }>>;
}

/** `docs/rest-api.md`, made from the endpoint values. */
export function restApiPage(): string {
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, Operation>> };
  const sections = ENDPOINTS.map((endpoint) => {
    const operation = paths[endpoint.path]![endpoint.method.toLowerCase()]!;
    const who = endpoint.allow === "public"
      ? "anybody, without a token"
      : endpoint.allow.map((scope) => `\`${scope}\``).join(", ");
    return [
      `## ${endpoint.method} ${endpoint.path}`,
      `${endpoint.summary}. Name in the audit trail: \`${endpoint.name}\`. Who may call: ${who}.`,
      inputTable(operation),
      answers(operation),
    ].filter(Boolean).join("\n\n");
  });
  return `${PREFACE}\n\n${sections.join("\n\n")}\n`;
}

const PREFACE = `# REST API

The daemon serves this API on port 6443; the same facts as an OpenAPI 3.1 document are at
\`GET /api/v1/openapi.json\`. This page is made from the endpoint values in \`lib/api\`; \`deno task docs\` writes it.

**Authentication.** \`Authorization: Bearer nxa-api_…\`. A token carries one scope: \`admin\` may call everything, \`deploy\` what
running workloads needs, \`read\` what changes nothing. A good token without the right scope gets 403.

**Refusals** are JSON with two fields, \`error\` for people and \`code\` for programs (only what the HTTP engine itself refuses,
such as two \`Content-Length\` headers, comes with an empty body):

| code | status |
| --- | --- |
${Object.entries(FAILURE_STATUS).map(([code, status]) => `| \`${code}\` | ${status} |`).join("\n")}

**Limits.** A body is at most 2 MiB and must arrive in time; names are 1 to 253 printable characters; instants are RFC 3339 in UTC.`;

function inputTable(operation: Operation): string {
  const body = operation.requestBody?.content["application/json"].schema;
  const rows = [
    ...(operation.parameters ?? []).map((one) => [one.name, one.in, typeOf(one.schema), one.required]),
    ...Object.entries(body?.properties ?? {})
      .map(([name, schema]) => [name, "body", typeOf(schema), body?.required?.includes(name) ?? false]),
  ];
  if (rows.length === 0) return "";
  const lines = rows.map(([name, place, type, required]) =>
    `| \`${name}\` | ${place} | ${type} | ${required ? "yes" : "no"} |`
  );
  return ["| field | in | type | required |", "| --- | --- | --- | --- |", ...lines].join("\n");
}

function answers(operation: Operation): string {
  return Object.entries(operation.responses).map(([status, answer]) => {
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    const shape = Number(status) < 300 && schema ? shapeOf(schema) : "";
    return `- **${status}** ${answer.description}${shape && `: ${shape}`}`;
  }).join("\n");
}

function shapeOf(schema: Schema): string {
  if (schema.type === "array" && schema.items) return `an array of ${shapeOf(schema.items)}`;
  const fields = Object.keys(schema.properties ?? {});
  return fields.length > 0 ? `\`{ ${fields.join(", ")} }\`` : typeOf(schema);
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`"${value}"\``).join(", ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  return schema.type ?? "anything";
}
