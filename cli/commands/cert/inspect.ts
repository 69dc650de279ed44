import type { DomainCertificate } from "@helyos/api";
import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { keyValues, panel } from "../../output/panel.ts";
import { outputStyle, sayJson } from "../../say.ts";

export default command({
  summary: "Show one certificate, and with --pem its chain",
  positionals: { DOMAIN: { summary: "Which certificate", complete: "certificate" } },
  options: { pem: { summary: "Print the chain as PEM and nothing else" } },
  async run({ args, options, globals, io }) {
    const { readCertificate } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const certificate = await connection.call(readCertificate, { domain: args.DOMAIN });
    if (globals.json) return sayJson({ globals, io }, certificate);
    if (options.pem) return io.stdout.write(certificate.chain_pem ?? "");
    io.stdout.write(panel(outputStyle({ globals, io }), {
      icon: "event",
      title: "Certificate",
      subtitle: certificate.domain,
      body: keyValues(rowsOf(certificate)),
    }));
  },
});

function rowsOf(certificate: DomainCertificate): [string, string][] {
  const rows: [string, string | null][] = [
    ["Names", certificate.names.join(", ")],
    ["Source", certificate.source],
    ["State", certificate.state],
    ["Issuer", certificate.issuer],
    ["SHA-256", certificate.fingerprint],
    ["Valid from", certificate.not_before],
    ["Valid until", certificate.not_after],
    ["Days left", certificate.days_left === null ? null : String(certificate.days_left)],
    ["Next renewal", certificate.next_renewal],
    ["Failures", certificate.failures === 0 ? null : String(certificate.failures)],
    ["Next attempt", certificate.next_attempt],
    ["Last error", certificate.last_error],
    ["Last looked at", certificate.checked_at],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== null);
}
