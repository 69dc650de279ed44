import { deepEqual, equal, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { passBody, readBody } from "../../../../daemon/proxy/embedded/body.ts";
import { CHUNKED } from "../../../../daemon/proxy/embedded/fields.ts";

/** Decodes a chunked body that arrives in pieces, and what comes after it. */
function decode(pieces: readonly string[]): { content: string; after: string; done: boolean } {
  const reader = readBody(CHUNKED);
  let content = "";
  let after = "";
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, "latin1");
    const consumed = reader.push(bytes, (part) => void (content += part.toString("latin1")));
    after += bytes.subarray(consumed).toString("latin1");
  }
  return { content, after, done: reader.done };
}

const REFUSED: Readonly<Record<string, string>> = {
  "a size that is none": "x\r\n",
  "an empty size": "\r\n",
  "a signed size": "+5\r\nhello\r\n",
  "a size with 0x": "0x5\r\nhello\r\n",
  "a size with a blank before it": " 5\r\nhello\r\n",
  "a size beyond 2^53": "fffffffffffffff0\r\n",
  "a size line that ends in LF": "5\nhello\r\n",
  "a bare CR in an extension": "5;a\rb\r\nhello\r\n",
  "a bare LF in an extension": "5;a\nhello\r\n",
  "a NUL in an extension": "5;\0\r\nhello\r\n",
  "content longer than its size": "5\r\nhello!\r\n0\r\n\r\n",
  "content without CRLF": "5\r\nhello0\r\n\r\n",
  "content followed by LF": "5\r\nhello\n0\r\n\r\n",
  "a trailer that is no field": "0\r\nx\r\n\r\n",
  "a folded trailer": "0\r\nX: 1\r\n 2\r\n\r\n",
  "an end by LF": "0\r\n\n",
  "a long size line": `5;${"x".repeat(5000)}\r\n`,
  "too many trailers": `0\r\n${"X: 1234567890\r\n".repeat(2000)}`,
};

for (const [name, text] of Object.entries(REFUSED)) {
  Deno.test(`readBody() refuses ${name}, whole and byte by byte`, () => {
    throws(() => decode([text]), { name: "Refusal", status: 400 });
    throws(() => decode([...text]), { name: "Refusal", status: 400 });
  });
}

Deno.test("readBody() decodes chunks wherever they are cut", () => {
  const text = "5\r\nhello\r\nA;name=value\r\n, world!\r\n\r\n000\r\nX-Trailer: 1\r\n\r\nGET / HTTP/1.1";
  const expected = { content: "hello, world!\r\n", after: "GET / HTTP/1.1", done: true };
  for (let cut = 0; cut <= text.length; cut++) {
    deepEqual(decode([text.slice(0, cut), text.slice(cut)]), expected);
  }
  deepEqual(decode([...text]), expected);
});

Deno.test("readBody() takes as many bytes as Content-Length says", () => {
  const reader = readBody({ kind: "length", bytes: 5 });
  let content = "";
  equal(reader.push(Buffer.from("hel"), (part) => void (content += part)), 3);
  equal(reader.push(Buffer.from("lo, world"), (part) => void (content += part)), 2);
  equal(content, "hello");
  equal(reader.done, true);
});

Deno.test("passBody() writes what readBody() reads, and what came together as one chunk", () => {
  const pass = (texts: readonly string[], chunked: boolean): string[] => {
    const reader = readBody(CHUNKED);
    const given: string[] = [];
    for (const text of texts) {
      passBody(reader, Buffer.from(text, "latin1"), { chunked, give: (bytes) => given.push(bytes.toString("latin1")) });
    }
    return given;
  };
  const pieces = ["1\r\na\r\n1\r\nb", "\r\n1;x\r", "\n", "c\r\n0\r\nX: y\r\n", "\r\n"];
  deepEqual(pass(pieces, true), ["2\r\nab\r\n", "1\r\nc\r\n", "0\r\n\r\n"]);
  deepEqual(pass(pieces, false), ["ab", "c"]);
  deepEqual(decode(pass([`11170\r\n${"y".repeat(70_000)}\r\n0\r\n\r\n`], true)), {
    content: "y".repeat(70_000),
    after: "",
    done: true,
  });
});

Deno.test("passBody() gives nothing of what was judged too long", () => {
  const given: Buffer[] = [];
  throws(() =>
    passBody(readBody(CHUNKED), Buffer.from("5\r\nhello\r\n"), {
      chunked: true,
      judge: (length) => {
        throw new RangeError(String(length));
      },
      give: (bytes) => given.push(bytes),
    }), { message: "5" });
  equal(given.length, 0);
});
