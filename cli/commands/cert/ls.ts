import { command } from "../../command.ts";
import { connect } from "../../connect.ts";
import { printListing } from "../../listing.ts";
import { statusCell } from "../../output/table.ts";
import { sayJson, sayWarning } from "../../say.ts";

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
    for (const { domain, last_error } of certificates) {
      if (last_error !== null) sayWarning({ globals, io }, `${domain}: ${last_error}`);
    }
  },
});
