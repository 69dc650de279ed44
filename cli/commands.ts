/**
 * Every command, in the order the help shows them. Each is loaded when it is run.
 *
 * @module
 */
import type { CommandTable } from "./command.ts";

/** The table of contents. */
export const COMMANDS: CommandTable = {
  status: {
    summary: "Show how the cluster fares, and how it is trusted",
    load: () => import("./commands/status.ts"),
  },
  pods: { summary: "List pods", load: () => import("./commands/pods.ts") },
  deployments: { summary: "List deployments", load: () => import("./commands/deployments.ts") },
  nodes: { summary: "List the nodes of the cluster", load: () => import("./commands/nodes.ts") },
  routes: {
    summary: "List routes: public domains and the deployments behind them",
    load: () => import("./commands/routes.ts"),
  },
  route: {
    summary: "Manage routes",
    commands: {
      add: { summary: "Serve a public domain", load: () => import("./commands/route/add.ts") },
      rm: { summary: "Stop serving a domain; its certificate stays", load: () => import("./commands/route/rm.ts") },
    },
  },
  cert: {
    summary: "Manage the certificates of public domains",
    commands: {
      import: {
        summary: "Serve a certificate of your own for a domain",
        load: () => import("./commands/cert/import.ts"),
      },
      ls: {
        summary: "List certificates: issued, served, days left, next renewal, last error",
        aliases: ["list"],
        load: () => import("./commands/cert/ls.ts"),
      },
      inspect: {
        summary: "Show one certificate, and with --pem its chain",
        load: () => import("./commands/cert/inspect.ts"),
      },
      renew: {
        summary: "Order a new certificate now, or see whether one is due",
        load: () => import("./commands/cert/renew.ts"),
      },
      rm: { summary: "Forget a certificate and its key", load: () => import("./commands/cert/rm.ts") },
      doctor: {
        summary: "Explain why a domain has no certificate",
        load: () => import("./commands/cert/doctor.ts"),
      },
    },
  },
  project: {
    summary: "Manage projects",
    commands: {
      list: { summary: "List projects", aliases: ["ls"], load: () => import("./commands/project/list.ts") },
      create: { summary: "Create a project", load: () => import("./commands/project/create.ts") },
      suspend: {
        summary: "Suspend a project: nothing of it runs until it is resumed",
        load: () => import("./commands/project/suspend.ts"),
      },
      resume: { summary: "Resume a suspended project", load: () => import("./commands/project/resume.ts") },
      delete: {
        summary: "Delete a project that has no deployments",
        load: () => import("./commands/project/delete.ts"),
      },
    },
  },
  login: { summary: "Log in to a daemon and pin its CA", load: () => import("./commands/login.ts") },
  logout: {
    summary: "Forget a context's token; its server and pinned CA stay",
    load: () => import("./commands/logout.ts"),
  },
  whoami: { summary: "Show whose token this is", load: () => import("./commands/whoami.ts") },
  auth: {
    summary: "Manage who may call the daemon",
    commands: {
      token: {
        summary: "Manage API tokens",
        commands: {
          create: {
            summary: "Mint an API token; its secret is shown once",
            load: () => import("./commands/auth/token/create.ts"),
          },
          ls: { summary: "List API tokens", aliases: ["list"], load: () => import("./commands/auth/token/ls.ts") },
          revoke: {
            summary: "Revoke an API token; it stops working at once",
            load: () => import("./commands/auth/token/revoke.ts"),
          },
          rotate: {
            summary: "Mint a new secret for a token; the old one works on for a while",
            load: () => import("./commands/auth/token/rotate.ts"),
          },
        },
      },
    },
  },
  audit: { summary: "Show who changed what, when and from where", load: () => import("./commands/audit.ts") },
  context: {
    summary: "Switch between daemons",
    commands: {
      ls: {
        summary: "List contexts; * marks the active one",
        aliases: ["list"],
        load: () => import("./commands/context/ls.ts"),
      },
      use: { summary: "Switch the active context", load: () => import("./commands/context/use.ts") },
      current: { summary: "Show the active context", load: () => import("./commands/context/current.ts") },
      rename: { summary: "Rename a context", load: () => import("./commands/context/rename.ts") },
      set: {
        summary: "Change a context's server or default project, or create a context for --server",
        load: () => import("./commands/context/set.ts"),
      },
      rm: { summary: "Remove a context with its token and pinned CA", load: () => import("./commands/context/rm.ts") },
    },
  },
  certs: {
    summary: "Give services certificates of an internal CA",
    commands: {
      "init-ca": { summary: "Make the CA, unless there is one", load: () => import("./commands/certs/init_ca.ts") },
      generate: {
        summary: "Issue a service the certificate with which it calls others",
        load: () => import("./commands/certs/generate.ts"),
      },
      "generate-all": {
        summary: "Issue every service the certificate with which it calls others",
        load: () => import("./commands/certs/generate_all.ts"),
      },
      "generate-server": {
        summary: "Issue a service the certificate with which it serves",
        load: () => import("./commands/certs/generate_server.ts"),
      },
      "generate-all-servers": {
        summary: "Issue every service whose host is known the certificate with which it serves",
        load: () => import("./commands/certs/generate_all_servers.ts"),
      },
      list: {
        summary: "List the CA's and every service's certificates",
        aliases: ["ls"],
        load: () => import("./commands/certs/list.ts"),
      },
      inspect: {
        summary: "Show everything a certificate says, and what is wrong with how it is built",
        load: () => import("./commands/certs/inspect.ts"),
      },
      verify: {
        summary: "Verify that certificates and keys belong together and that the CA stands behind them",
        load: () => import("./commands/certs/verify.ts"),
      },
      renew: { summary: "Renew the certificates that are due", load: () => import("./commands/certs/renew.ts") },
      revoke: {
        summary: "Revoke a service's certificates and sign a new revocation list",
        load: () => import("./commands/certs/revoke.ts"),
      },
      crl: { summary: "Sign the list of revoked certificates anew", load: () => import("./commands/certs/crl.ts") },
      sign: {
        summary: "Sign a certificate request; its key never comes here",
        load: () => import("./commands/certs/sign.ts"),
      },
      export: {
        summary: "Export a service's certificate: with its key as PKCS#12, or as a chain in PEM",
        load: () => import("./commands/certs/export.ts"),
      },
      deploy: {
        summary: "Put a service's certificate and key, and the CA's certificate, on a machine",
        load: () => import("./commands/certs/deploy.ts"),
      },
      "deploy-servers": {
        summary: "Put every service's server certificate on the host it runs on",
        load: () => import("./commands/certs/deploy_servers.ts"),
      },
      "deploy-all": {
        summary: "Put every service's certificates, client and server, on the host it runs on",
        load: () => import("./commands/certs/deploy_all.ts"),
      },
      "update-registry": {
        summary: "Write where certificates are into the registry",
        load: () => import("./commands/certs/update_registry.ts"),
      },
      "install-ca": {
        summary: "Make machines trust the CA: those named, or every host of the registry",
        load: () => import("./commands/certs/install_ca.ts"),
      },
      "uninstall-ca": {
        summary: "Make machines trust the CA no longer: those named, or every host of the registry",
        load: () => import("./commands/certs/uninstall_ca.ts"),
      },
      "caddy-sync": {
        summary: "Write the Caddyfile of services with certificates and make Caddy take it",
        load: () => import("./commands/certs/caddy_sync.ts"),
      },
      doctor: {
        summary: "Find what is wrong with certificates, from the CA's folder to what services serve",
        load: () => import("./commands/certs/doctor.ts"),
      },
      agent: {
        summary: "Keep every service's certificates alive: renew, deploy, reload, and see what is served",
        load: () => import("./commands/certs/agent.ts"),
      },
    },
  },
  completions: {
    summary: "Print a completion script for a shell",
    load: () => import("./commands/completions.ts"),
  },
};
