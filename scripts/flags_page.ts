import { COMMANDS } from "../daemon/flags.ts";

/** `docs/flags.md`, made from the daemon's command line. */
export function flagsPage(): string {
  const sections = COMMANDS.map((command) => {
    const title = ["helyosd", ...command.words].join(" ");
    const rows = command.flags.map((flag) => {
      const spelled = `--${flag.name}${flag.value === undefined ? "" : ` ${flag.value}`}`;
      return `| \`${spelled}\`${flag.repeats ? " (repeatable)" : ""} | ${flag.help.replaceAll("|", "\\|")} |`;
    });
    return [`## ${title}`, `${command.about}.`, ["| flag | meaning |", "| --- | --- |", ...rows].join("\n")].join(
      "\n\n",
    );
  });
  return `${PREFACE}\n\n${sections.join("\n\n")}\n`;
}

const PREFACE = `# Daemon flags

Every value is checked before anything is written. A mistyped flag is a usage error (exit code 2, with a suggestion); a value that
cannot be served is \`Error: …\` (exit code 1). \`helyosd --check\` with your flags says what would be served and changes nothing.
What they are for is told in [Control-plane TLS](control-plane-tls.md), [Routes and certificates](routes-and-certificates.md) and
[API tokens](tokens.md).

**Environment.** \`HELYOS_API_TOKEN\` sets the API token, \`HELYOS_DATA_DIR\` the data directory (\`--data-dir\` beats it), \`RUST_LOG\` the log level
(\`--log-level\` beats it), \`HELYOS_CONFIG\` and \`HOME\` say where the first start writes the local context, \`NOTIFY_SOCKET\` is systemd's. The launcher sets
\`HELYOS_OPEN_FILES\` to how many files may be open (\`ulimit -Hn\`), so that visitors of routes leave the API what it needs.

**Signals.** SIGINT and SIGTERM stop it: at once when idle, else after at most 10 seconds in which open requests finish.

**Log.** One line per event on standard error, as text or with \`--log-format json\` as JSON. Secrets are scrubbed, with one exception: the
first start prints the new API token once, as the line \`HELYOS_API_TOKEN=nxa-api_…\`.`;
