/**
 * The commands of `helyos certs`, and the table of contents with them in it.
 *
 * @module
 */
import type { CommandTable } from "../command.ts";
import { COMMANDS } from "../commands.ts";

const CERTS: CommandTable = {
  "init-ca": { summary: "Make the CA, unless there is one", load: () => import("../commands/certs/init_ca.ts") },
  generate: {
    summary: "Issue a service the certificate with which it calls others",
    load: () => import("../commands/certs/generate.ts"),
  },
  "generate-all": {
    summary: "Issue every service the certificate with which it calls others",
    load: () => import("../commands/certs/generate_all.ts"),
  },
  "generate-server": {
    summary: "Issue a service the certificate with which it serves",
    load: () => import("../commands/certs/generate_server.ts"),
  },
  "generate-all-servers": {
    summary: "Issue every service whose host is known the certificate with which it serves",
    load: () => import("../commands/certs/generate_all_servers.ts"),
  },
  list: {
    summary: "List the CA's and every service's certificates",
    aliases: ["ls"],
    load: () => import("../commands/certs/list.ts"),
  },
  inspect: {
    summary: "Show everything a certificate says, and what is wrong with how it is built",
    load: () => import("../commands/certs/inspect.ts"),
  },
  verify: {
    summary: "Verify that certificates and keys belong together and that the CA stands behind them",
    load: () => import("../commands/certs/verify.ts"),
  },
  renew: { summary: "Renew the certificates that are due", load: () => import("../commands/certs/renew.ts") },
  revoke: {
    summary: "Revoke a service's certificates and sign a new revocation list",
    load: () => import("../commands/certs/revoke.ts"),
  },
  crl: { summary: "Sign the list of revoked certificates anew", load: () => import("../commands/certs/crl.ts") },
  sign: {
    summary: "Sign a certificate request; its key never comes here",
    load: () => import("../commands/certs/sign.ts"),
  },
  export: {
    summary: "Export a service's certificate: with its key as PKCS#12, or as a chain in PEM",
    load: () => import("../commands/certs/export.ts"),
  },
  deploy: {
    summary: "Put a service's certificate and key, and the CA's certificate, on a machine",
    load: () => import("../commands/certs/deploy.ts"),
  },
  "deploy-servers": {
    summary: "Put every service's server certificate on the host it runs on",
    load: () => import("../commands/certs/deploy_servers.ts"),
  },
  "deploy-all": {
    summary: "Put every service's certificates, client and server, on the host it runs on",
    load: () => import("../commands/certs/deploy_all.ts"),
  },
  "update-registry": {
    summary: "Write where certificates are into the registry",
    load: () => import("../commands/certs/update_registry.ts"),
  },
  "install-ca": {
    summary: "Make machines trust the CA: those named, or every host of the registry",
    load: () => import("../commands/certs/install_ca.ts"),
  },
  "uninstall-ca": {
    summary: "Make machines trust the CA no longer: those named, or every host of the registry",
    load: () => import("../commands/certs/uninstall_ca.ts"),
  },
  "caddy-sync": {
    summary: "Write the Caddyfile of services with certificates and make Caddy take it",
    load: () => import("../commands/certs/caddy_sync.ts"),
  },
  doctor: {
    summary: "Find what is wrong with certificates, from the CA's folder to what services serve",
    load: () => import("../commands/certs/doctor.ts"),
  },
  agent: {
    summary: "Keep every service's certificates alive: renew, deploy, reload, and see what is served",
    load: () => import("../commands/certs/agent.ts"),
  },
};

/** The whole table of contents. */
export const ALL_COMMANDS: CommandTable = {
  ...COMMANDS,
  certs: { summary: COMMANDS.certs!.summary, commands: CERTS },
};
