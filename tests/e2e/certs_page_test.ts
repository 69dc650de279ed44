import { equal, match, ok } from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free_port.ts";
import { environment, ROOT, run, temporaryFolder } from "../support/process.ts";
import { quoted } from "../support/pseudo_terminal.ts";
import { lacking } from "../support/tools.ts";

const PAGE = "docs/service-mtls.md";

/** What follows a command that must fail. */
const REFUSED = /\s+# refused$/;

Deno.test({
  name: `every command of ${PAGE} does what the page says, in order`,
  ignore: lacking("openssl", "curl"),
  async fn() {
    await using home = await temporaryFolder();
    const text = await readFile(join(ROOT, PAGE), "utf8");
    const blocks = (language: string) =>
      [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, code]) => code!);
    const [registry] = blocks("yaml");
    await writeFile(join(home.path, "registry.yml"), registry!);
    await mkdir(join(home.path, "bin"));
    const helyos = `#!/bin/sh\nexec sh ${quoted(join(ROOT, "scripts/launch.sh"))} cli "$@"\n`;
    await writeFile(join(home.path, "bin/helyos"), helyos, { mode: 0o755 });

    const commands = blocks("sh").flatMap((code) => code.trimEnd().split("\n"));
    const start = commands.findIndex((command) => command.includes("revoke"));
    ok(commands.findIndex((command) => command.includes("--cert ")) < 10, "ten commands to the first call");
    ok(start > 10);
    const port = String(await freePort());
    const script = commands.map((command) => {
      const here = command.replaceAll("8443", port);
      const say = `echo ${quoted(`$ ${command}`)}`;
      if (REFUSED.test(here)) return `${say}\nif ${here.replace(REFUSED, "")}; then exit 99; fi`;
      return `${say}\n${here}`;
    });
    // The server dies with the script, however that ends.
    const lines = ["set -e", "trap 'kill $! 2>/dev/null' EXIT", ...script];
    const outcome = await run("sh", ["-c", lines.join("\n")], {
      home: home.path,
      env: {
        PATH: `${join(home.path, "bin")}:${environment(home.path).PATH}`,
        HELYOS_REGISTRY: join(home.path, "registry.yml"),
      },
    });
    equal(outcome.code, 0, `${outcome.stdout}\n${outcome.stderr}`);
    match(outcome.stdout, /Verify return code: 0 \(ok\)|Client certificate/);
    match(outcome.stdout, /certs\/web\/client-cert\.pem: OK/);
  },
});
