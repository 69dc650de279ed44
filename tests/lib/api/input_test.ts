import { deepEqual, equal } from "node:assert/strict";
import { createProject, createToken, type Endpoint, listAudit, rotateToken } from "@helyos/api";

/** The first complaint about an input; undefined when it is taken. */
// deno-lint-ignore no-explicit-any -- any endpoint
function complaint(endpoint: Endpoint<any, any>, input: unknown): string | undefined {
  const judged = endpoint.input!.safeParse(input);
  return judged.success ? undefined : judged.error.issues[0]?.message;
}

Deno.test("createToken and createProject refuse names that nothing could be addressed by again", () => {
  for (const [endpoint, label] of [[createToken, "token name"], [createProject, "project name"]] as const) {
    for (
      const [name, text] of [
        ["", "must not be empty"],
        [" \t", "must not be empty"],
        [".", "must not be . or .."],
        ["..", "must not be . or .."],
        ["x".repeat(254), "must be at most 253 characters"],
        ["a\u0000b", "must be printable characters only"],
        ["a\u202eb", "must be printable characters only"],
        ["a\nb", "must be printable characters only"],
        ["\ud800", "must be printable characters only"],
        [7, "must be a string"],
        [null, "must be a string"],
        [undefined, "must be a string"],
      ] as const
    ) {
      equal(complaint(endpoint, { name }), `${label} ${text}`);
    }
    for (const name of ["...", ".a", "a/b c", "%2e%2e", "ü😀", "x".repeat(253)]) {
      equal(complaint(endpoint, { name }), undefined);
    }
  }
});

Deno.test("endpoints say in words of their own what a number or a scope must be", () => {
  const refused = [
    complaint(createToken, { name: "x", ttl_secs: 1.5 }),
    complaint(createToken, { name: "x", ttl_secs: "5" }),
    complaint(createToken, { name: "x", scope: "root" }),
    complaint(rotateToken, { name: "x", overlap_secs: -1 }),
    complaint(rotateToken, { name: "x", overlap_secs: 0.5 }),
    ...["0", "1001", "x", "1.5", ""].map((limit) => complaint(listAudit, { limit })),
  ];
  deepEqual([...new Set(refused)], [
    "ttl_secs must be a whole number of seconds",
    "scope must be admin, deploy or read",
    "overlap_secs must be a whole number of seconds, 0 or more",
    "limit must be a whole number from 1 to 1000",
  ]);
});
