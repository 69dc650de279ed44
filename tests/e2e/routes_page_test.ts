/**
 * Story: a stranger follows docs/routes-and-certificates.md, against a real CA.
 */
import { equal, match, ok } from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free_port.ts";
import { startPebble } from "../support/pebble.ts";
import { ROOT, run, startDaemon, temporaryFolder } from "../support/process.ts";
import { lacking } from "../support/tools.ts";

Deno.test({
  name: "docs/routes-and-certificates.md: every command works, in order",
  ignore: lacking("pebble", "pebble-challtestsrv", "bash", "curl", "openssl"),
  async fn() {
    await using pebble = await startPebble();
    await using home = await temporaryFolder();
    const file = (name: string) => join(home.path, name);
    const upstream = createServer((_, response) => void response.end("hello from the upstream\n"));
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const httpsPort = await freePort();
    await writeFile(file("acme-ca.pem"), pebble.ca);
    await writeFile(file("root.pem"), await pebble.root());
    // What DNS and the CA's place among the trusted roots do in the world outside
    await writeFile(
      file(".curlrc"),
      `cacert = ${
        file("root.pem")
      }\nconnect-to = "::127.0.0.1:${httpsPort}"\nretry = 20\nretry-all-errors\nretry-delay = 1\nfail\n`,
    );
    for (const [name, program] of [["helyos", "cli"], ["helyosd", "daemon"]]) {
      await writeFile(file(name!), `#!/bin/sh\nexec sh '${ROOT}/scripts/launch.sh' ${program} "$@"\n`, { mode: 0o700 });
    }
    try {
      await using _daemon = await startDaemon({
        home: home.path,
        flags: [
          ...["--proxy-backend", "embedded", "--acme-email", "ops@example.com"],
          ...["--acme-directory", pebble.directoryUrl, "--acme-ca-file", file("acme-ca.pem")],
          ...["--http-listen", `127.0.0.1:${pebble.httpPort}`, "--https-listen", `127.0.0.1:${httpsPort}`],
        ],
      });
      const page = await readFile(join(ROOT, "docs/routes-and-certificates.md"), "utf8");
      const blocks = [...page.matchAll(/^```sh walk\n([\s\S]*?)^```$/gm)].map((block) => block[1]!);
      ok(blocks.length >= 5);
      const port = String((upstream.address() as AddressInfo).port);
      await writeFile(file("walk.sh"), `set -ex\n${blocks.join("\n").replaceAll("8080", port)}`);
      const walk = await run("bash", [file("walk.sh")], {
        home: home.path,
        env: { PATH: `${home.path}:${Deno.env.get("PATH")}` },
      });
      equal(walk.code, 0, `${walk.stdout}\n${walk.stderr}`);
      for (
        const said of [
          /✓ Route 'api.example.com' -> shop\/api \(auto\)/,
          /hello from the upstream/,
          /api\.example\.com\s+acme\s+● (served|issued)/,
          /✓ 'api.example.com' is not due/,
          /✓ Certificate for 'shop.example.com' imported/,
          /✓ Route 'shop.example.com' removed/,
        ]
      ) {
        match(walk.stdout, said);
      }
    } finally {
      upstream.closeAllConnections();
      upstream.close();
    }
  },
});
