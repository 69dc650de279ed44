import type { DomainCertificate } from "@helyos/api";
import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { printListing } from "../../listing.ts";
import { statusCell } from "../../output/table.ts";
import { sayJson, sayWarning } from "../../say.ts";

const DAY_MS = 86_400_000;

/** Whether 30 days or a third of an import's life are left, whichever is less: from then on the daemon's log says so, too. */
function isEnding({ source, days_left, not_before, not_after }: DomainCertificate): boolean {
  if (source !== "import" || days_left === null || not_before === null || not_after === null) return false;
  return days_left < Math.min(30, (Date.parse(not_after) - Date.parse(not_before)) / DAY_MS / 3);
}

function end({ days_left }: DomainCertificate): string {
  return days_left! < 0 ? "the imported certificate has expired" : `the imported certificate ends in ${days_left} days`;
}

export default command({
  summary: "List certificates: issued, served, days left, next renewal, last error",
  details: `
'issued' is a certificate that was not yet seen at the proxy, 'served' one that was; at 'mismatch' the proxy serves another
one. 'pending' and 'failed' have none yet.`,
  async run({ globals, io }) {
    const { listCertificates } = await import("@helyos/api");
    await using connection = await connect({ globals, io });
    const certificates = await connection.call(listCertificates, {});
    if (globals.json) return sayJson({ globals, io }, certificates, { order: "model" });
    printListing({ globals, io }, { icon: "event", title: "Certificates" }, {
      columns: ["Domain", "Source", "Status", "Days left", "Next renewal"],
      rows: certificates.map(({ domain, source, state, days_left, next_renewal, next_attempt }) => [
        domain,
        source,
        statusCell(state),
        days_left === null ? "-" : String(days_left),
        next_attempt ?? next_renewal ?? "-",
      ]),
    });
    for (const certificate of certificates) {
      const { domain, last_error } = certificate;
      if (last_error !== null) sayWarning({ globals, io }, `${domain}: ${last_error}`);
      if (isEnding(certificate)) {
        sayWarning({ globals, io }, `${domain}: ${end(certificate)}; import a new one`);
      }
    }
  },
});
