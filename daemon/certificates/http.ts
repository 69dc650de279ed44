/**
 * The endpoints of certificates.
 *
 * @module
 */
import {
  deleteCertificate,
  diagnoseCertificate,
  importCertificate,
  listCertificates,
  readCertificate,
  renewCertificate,
} from "@helyos/api";
import { bind, type Binding, type Call } from "../server/bind.ts";
import * as certificates from "./certificates.ts";
import { diagnose, type DoctorDeps } from "./doctor.ts";

/** Serves certificates. */
export function certificateBindings(deps: certificates.CertificateDeps & DoctorDeps): Binding[] {
  return [
    bind(importCertificate, (call) => {
      const { domain, cert_pem, key_pem } = call.input;
      return certificates.importCertificate(deps, { domain, certPem: cert_pem, keyPem: key_pem }, actor(call));
    }),
    bind(listCertificates, () => certificates.listCertificates(deps)),
    bind(readCertificate, ({ input }) => certificates.readCertificate(deps, input.domain)),
    bind(renewCertificate, (call) => {
      const { domain, dry_run } = call.input;
      return certificates.renewCertificate(deps, { domain, dryRun: dry_run === true }, actor(call));
    }),
    bind(deleteCertificate, (call) => certificates.deleteCertificate(deps, call.input.domain, actor(call))),
    bind(diagnoseCertificate, ({ input }) => diagnose(deps, certificates.readDomain(input.domain))),
  ];
}

function actor(call: Call<unknown>): certificates.Actor {
  return { actor: call.caller!.name, address: call.address };
}
