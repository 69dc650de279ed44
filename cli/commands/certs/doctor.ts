import { fileInfo } from "../../certs/files.ts";
import { pkiHome, registryPath } from "../../certs/home.ts";
import { openRegistry } from "../../certs/registry.ts";
import { examine, type Finding } from "../../certs/remote/doctor.ts";
import { machinesOf, SSH_OPTIONS } from "../../certs/remote/machines.ts";
import { settleIfNeeded } from "../../certs/store.ts";
import { command } from "../../command.ts";
import { CliError } from "../../failure.ts";
import { failure, success, warning } from "../../output/message.ts";
import { outputStyle, sayJson, sayWarning } from "../../say.ts";

function things(count: number): string {
  return `${count} ${count === 1 ? "thing" : "things"}`;
}

export default command({
  summary: "Find what is wrong with certificates, from the CA's folder to what services serve",
  details:
    `Looks at permissions, at how long CA and certificates live, at pairs that are none, names the registry has and certificates
lack, certificates of a CA that is gone, paths of the registry, whether what lies on the hosts is what was issued, and by
certs.probe whether it is served. Changes nothing. Exits with 1 when something is wrong; warnings alone exit with 0.`,
  options: {
    offline: { summary: "Speak to no host and no service" },
    ...SSH_OPTIONS,
  },
  async run({ options, globals, io }) {
    const home = pkiHome(io);
    const path = registryPath(io);
    if (await fileInfo(home.folder) !== undefined) await settleIfNeeded(home);
    const broken: Finding[] = [];
    const registry = await fileInfo(path) === undefined ? undefined : await openRegistry(path).catch((error) => {
      if (!(error instanceof CliError)) throw error;
      const { message, hint } = error;
      broken.push({ level: "error", check: "registry", subject: path, message, ...(hint ? { hint } : {}) });
      return undefined;
    });
    if (registry === undefined && broken.length === 0) {
      sayWarning({ globals, io }, `there is no registry at ${path}: only the CA's own files are looked at`);
    }
    const machines = registry === undefined || options.offline ? undefined : machinesOf(registry, { options, io });
    const { findings: found, looked } = await examine({ home, registry, machines, now: io.now() });
    const findings = [...broken, ...found];
    const errors = findings.filter(({ level }) => level === "error").length;
    if (globals.json) {
      sayJson({ globals, io }, findings);
      return errors > 0 ? 1 : 0;
    }
    const style = outputStyle({ globals, io });
    for (const { level, subject, message, hint } of findings) {
      const text = `${subject}: ${message}`;
      const lines = level === "error"
        ? failure(style, text, hint)
        : warning(style, hint === undefined ? text : `${text}\n  hint: ${hint}`);
      io.stdout.write(lines);
    }
    if (findings.length === 0) io.stdout.write(success(style, `${things(looked)} looked at, nothing is wrong`));
    if (errors === 0) return 0;
    const warnings = findings.length - errors;
    throw new CliError(
      `${things(errors)} ${errors === 1 ? "is" : "are"} wrong${warnings > 0 ? `, ${warnings} more may be` : ""}`,
      {
        code: "sick",
      },
    );
  },
});
