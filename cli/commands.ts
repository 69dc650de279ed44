/**
 * Every command, in the order the help shows them. Each is loaded when it is run, but all that any of them imports is read at
 * each start, because Deno looks through the whole graph first.
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
  // A program of its own, cli/certs/main.ts: what it imports would be read at each start of the others, too
  certs: { summary: "Give services certificates of an internal CA", commands: {} },
  completions: {
    summary: "Print a completion script for a shell",
    load: () => import("./commands/completions.ts"),
  },
};
