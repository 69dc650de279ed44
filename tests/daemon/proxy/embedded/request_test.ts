import { equal, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { forwardedRequest, readRequest, type RequestHead } from "../../../../daemon/proxy/embedded/request.ts";

const LIMITS = { maxFields: 16, maxTargetBytes: 64 };

function read(text: string): RequestHead {
  const buffer = Buffer.from(text, "latin1");
  return readRequest(buffer, buffer.indexOf("\r\n\r\n"), LIMITS);
}

const REFUSED: readonly (readonly [string, number, string])[] = [
  [
    "Content-Length beside Transfer-Encoding",
    400,
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
  ],
  ["two lengths", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6"],
  ["the same length twice", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5"],
  ["a list of lengths", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5"],
  ["a signed length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5"],
  ["a negative length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5"],
  ["a hexadecimal length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5"],
  ["an empty length", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:"],
  ["a length beyond 2^53", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621"],
  ["chunked twice", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"],
  ["chunked twice in a list", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked"],
  ["chunked, then identity", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity"],
  ["an unknown coding", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked"],
  ["a coding with a vertical tab", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked"],
  ["a quoted coding", 400, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "chunked"'],
  ["gzip before chunked", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked"],
  ["chunks in HTTP/1.0", 400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked"],
  ["a blank before the colon", 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked"],
  ["a folded line", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2"],
  ["a folded first line", 400, "GET / HTTP/1.1\r\n Host: a"],
  ["a bare LF", 400, "GET / HTTP/1.1\r\nHost: a\nX: 1"],
  ["a bare CR", 400, "GET / HTTP/1.1\r\nHost: a\rX: 1"],
  ["a NUL", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \0"],
  ["a field without name", 400, "GET / HTTP/1.1\r\nHost: a\r\n: 1"],
  ["a field without colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nX"],
  ["a field name with a bracket", 400, "GET / HTTP/1.1\r\nHost: a\r\nX[]: 1"],
  ["no Host", 400, "GET / HTTP/1.1\r\nX: 1"],
  ["two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a"],
  ["a bad Host beside a good target", 400, "GET http://a/ HTTP/1.1\r\nHost: a@b"],
  ["a Host with user information", 400, "GET / HTTP/1.1\r\nHost: a@b"],
  ["a Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b"],
  ["a Host list", 400, "GET / HTTP/1.1\r\nHost: a, b"],
  ["a Host with a blank", 400, "GET / HTTP/1.1\r\nHost: a b"],
  ["user information in the target", 400, "GET http://a@b/ HTTP/1.1\r\nHost: b"],
  ["another scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a"],
  ["a target without slash", 400, "GET a HTTP/1.1\r\nHost: a"],
  ["an asterisk for GET", 400, "GET * HTTP/1.1\r\nHost: a"],
  ["a fragment", 400, "GET /#x HTTP/1.1\r\nHost: a"],
  ["a raw byte in the target", 400, "GET /\xe9 HTTP/1.1\r\nHost: a"],
  ["two blanks in the request line", 400, "GET  / HTTP/1.1\r\nHost: a"],
  ["a tab in the request line", 400, "GET\t/ HTTP/1.1\r\nHost: a"],
  ["a blank after the version", 400, "GET / HTTP/1.1 \r\nHost: a"],
  ["a blank before the method", 400, " GET / HTTP/1.1\r\nHost: a"],
  ["HTTP/0.9", 400, "GET /\r\nHost: a"],
  ["HTTP/2", 505, "PRI * HTTP/2.0\r\nHost: a"],
  ["a lower-case version", 400, "GET / http/1.1\r\nHost: a"],
  ["CONNECT", 501, "CONNECT a:443 HTTP/1.1\r\nHost: a"],
  ["TRACE", 501, "TRACE / HTTP/1.1\r\nHost: a"],
  ["an unknown expectation", 417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle"],
  [
    "a WebSocket handshake with content",
    400,
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1",
  ],
  ["a WebSocket handshake by POST", 400, "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket"],
  ["too many fields", 431, `GET / HTTP/1.1\r\nHost: a${"\r\nX: 1".repeat(16)}`],
  ["a long target", 414, `GET /${"x".repeat(64)} HTTP/1.1\r\nHost: a`],
];

for (const [name, status, text] of REFUSED) {
  Deno.test(`readRequest() refuses ${name}`, () => {
    throws(() => read(`${text}\r\n\r\n`), { name: "Refusal", status });
  });
}

Deno.test("readRequest() takes no host from an empty Host", () => {
  equal(read("GET / HTTP/1.0\r\n\r\n").host, "");
});

Deno.test("readRequest() finds the host in every spelling", () => {
  equal(read("GET / HTTP/1.1\r\nhOsT:\tA.Example.:8080 \r\n\r\n").host, "a.example");
  equal(read("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").host, "[::1]");
  // RFC 9112 §3.2.2: the target wins
  const absolute = read("GET http://b.example?x HTTP/1.1\r\nHost: a.example\r\n\r\n");
  equal(absolute.host, "b.example");
  equal(absolute.target, "/?x");
  // RFC 9112 §3.2.4
  equal(read("OPTIONS http://b.example HTTP/1.1\r\nHost: a.example\r\n\r\n").target, "*");
  equal(read("OPTIONS http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n").target, "/");
});

Deno.test("forwardedRequest() leaves behind what concerns one connection, and what Connection names", () => {
  const request = read(
    "GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: x\r\nTE: trailers\r\n" +
      "Upgrade: h2c\r\nHTTP2-Settings: AA\r\nContent_Length: 5\r\ntransfer_encoding: chunked\r\nProxy-Authorization: x\r\nProxy-Connection: x\r\nTrailer: x\r\nAccept: */*\r\n\r\n",
  );
  equal(
    forwardedRequest(request, { address: "192.0.2.1", secure: true }),
    "GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a\r\n" +
      "X-Forwarded-Proto: https\r\nVia: 1.1 helyos\r\n\r\n",
  );
});

Deno.test("forwardedRequest() replaces what a visitor forged, underscores included", () => {
  const request = read(
    "GET / HTTP/1.1\r\nHost: a:81\r\nX-Forwarded-For: 10.0.0.1\r\nx_forwarded_for: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n" +
      "X-Forwarded-Host: b\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nX-Forwarded_Port: 1\r\n" +
      "X-Forwarded-User: root\r\nX-Forwarded-Prefix: /evil\r\n\r\n",
  );
  equal(
    forwardedRequest(request, { address: "192.0.2.1", secure: false }),
    "GET / HTTP/1.1\r\nHost: a:81\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a:81\r\n" +
      "X-Forwarded-Proto: http\r\nVia: 1.1 helyos\r\n\r\n",
  );
});

Deno.test("forwardedRequest() keeps Host and the framing although Connection names them", () => {
  const request = read(
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, X-Forwarded-For\r\nContent-Length: 2\r\n\r\n",
  );
  equal(
    forwardedRequest(request, { address: "192.0.2.1", secure: false }),
    "POST / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\n" +
      "Via: 1.1 helyos\r\nContent-Length: 2\r\n\r\n",
  );
});
