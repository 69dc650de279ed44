import { equal, throws } from "node:assert/strict";
import { isLoopback, nameFromServer, normaliseServer, parseServer, serverText } from "../../cli/server.ts";

Deno.test("parseServer() refuses what is no http or https address", () => {
  for (
    const text of [
      "",
      "cluster.example",
      "localhost:6443",
      "ftp://h",
      "https://",
    ]
  ) {
    throws(() => parseServer(text), { message: `Invalid server URL: ${text}\n  Expected format: http(s)://host:port` });
  }
  for (
    const [text, shown] of [
      ["https://u:canary@h", "https://…@h"],
      ["https://canary@h:1/x", "https://…@h:1/x"],
      ["https://u:p/canary@h", "https://…@h"],
      ["canary:p@h:1", "…@h:1"],
      ["https://h?token=canary", "https://h?…"],
      ["https://u:canary@h/?a=canary@x#y", "https://…@h/?…"],
      ["https://h#canary", "https://h#…"],
    ] as const
  ) {
    throws(() => parseServer(text), {
      message: `Invalid server URL: ${shown}\n  Expected format: http(s)://host:port`,
    });
  }
  equal(serverText(parseServer("https://h:6443//")), "https://h:6443");
  equal(serverText(parseServer("https://h/behind/")), "https://h/behind");
});

Deno.test("normaliseServer() fills in scheme and port, also beside a path or an IPv6 address", () => {
  const cases = {
    "h": "https://h:6443",
    " h ": "https://h:6443",
    "h:7000": "https://h:7000",
    "https://h": "https://h:6443",
    "https://h/": "https://h:6443",
    "https://h:443": "https://h:443",
    "http://h:80": "http://h:80",
    "http://localhost:6443": "http://localhost:6443",
    "http://localhost:6443/": "http://localhost:6443",
    "https://h/behind": "https://h:6443/behind",
    "[::1]": "https://[::1]:6443",
    "[::1]:7000": "https://[::1]:7000",
    "::1": "https://[::1]:6443",
    "fd00::10": "https://[fd00::10]:6443",
    "HTTPS://H": "https://h:6443",
    "10.0.0.5": "https://10.0.0.5:6443",
  };
  for (const [text, expected] of Object.entries(cases)) equal(normaliseServer(text), expected, text);
  for (const text of ["", "  ", "h h", "https://", "https://u@h", "ftp://h", "h:port"]) {
    throws(() => normaliseServer(text), { code: "invalid_server" }, text);
  }
  throws(() => normaliseServer(" ftp://u:canary@h "), { message: /^Invalid server URL: ftp:\/\/…@h\n/ });
});

Deno.test("nameFromServer() makes a context's name of the host", () => {
  equal(nameFromServer("https://helyos.acme.internal:6443"), "helyos-acme-internal");
  equal(nameFromServer("https://10.0.0.5:6443"), "10-0-0-5");
  equal(nameFromServer("https://[fd00::10]:6443"), "fd00--10");
  equal(nameFromServer("https://...:1"), "default");
});

Deno.test("isLoopback() knows what never leaves the machine", () => {
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "a.localhost"]) {
    equal(isLoopback(new URL(`http://${host}:1`)), true, host);
  }
  for (const host of ["h", "10.0.0.1", "127.0.0.1.evil.example", "[::2]", "localhost.evil.example"]) {
    equal(isLoopback(new URL(`http://${host}:1`)), false, host);
  }
});
