/**
 * Turns what libraries throw into what a person can act on.
 *
 * @module
 */
import type { ApiError } from "@helyos/api";
import type { Target } from "./connect.ts";
import { CliError } from "./failure.ts";
import { isLoopback } from "./server.ts";

/** Hints that go with a status whatever the daemon said. */
const STATUS_HINTS: Readonly<Record<number, string>> = {
  404: "Verify the resource name and project with: helyos pods / helyos deployments",
  500: "Check helyosd logs: journalctl -u helyosd -n 50",
  502: "helyosd may be starting up. Retry in a few seconds",
  503: "helyosd may be starting up. Retry in a few seconds",
};

/**
 * A refusal by the daemon.
 *
 * @param error What the API client threw.
 * @param target Where the request went.
 * @returns The failure to show.
 */
export function explainRefusal(error: ApiError, target: Target): CliError {
  return new CliError(error.message, {
    code: error.code ?? `http_${error.status}`,
    hint: refusalHint(error, target),
    cause: error,
  });
}

function refusalHint({ status, retryAfterSeconds }: ApiError, target: Target): string | undefined {
  if (status === 401) {
    if (target.token !== undefined) return "Check your authentication credentials";
    return target.heldBack ?? `Check your authentication credentials: no token was sent. ${loginHint(target)}`;
  }
  if (status === 403) return "Check your authentication credentials: the token's scope does not allow this";
  if (status === 429) return `Wait ${retryAfterSeconds ?? 60} seconds: too many failed attempts from this address`;
  return STATUS_HINTS[status];
}

/**
 * A connection that did not come about, or broke.
 *
 * @param error What the client threw.
 * @param target Where the request went.
 * @returns The failure to show, naming the real cause.
 */
export function explainConnection(error: unknown, target: Target): CliError {
  if (error instanceof CliError) return error;
  const { code, message } = factsOf(error);
  return new CliError(`Cannot connect to helyosd at ${target.server}: ${message}`, {
    code,
    hint: connectionHint(code, target),
    cause: error,
  });
}

/** What is known of an error, also of one that is no `PinningError`. */
function factsOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "connection_failed", message: String(error) };
  const { code } = error as { code?: unknown };
  return { code: typeof code === "string" ? code : "connection_failed", message: error.message };
}

function connectionHint(code: string, target: Target): string | undefined {
  const url = new URL(target.server);
  switch (code) {
    case "refused":
      return isLoopback(url)
        ? "Is helyosd running? Start it with: helyosd"
        : `Is helyosd running on ${url.hostname}, and does it listen beyond loopback (helyosd --host 0.0.0.0)?`;
    case "timeout":
    case "unreachable":
      return `Check the address, and that a firewall lets port ${url.port || 443} through`;
    case "unknown_ca":
      if (target.tls !== "pinned") return `Pin its CA with: helyos login ${target.server}`;
      return "Somebody may be in between. If the daemon's CA was replaced on purpose, compare fingerprints " +
        `(helyosd ca on its host) and pin it again: ${pinAgain(target)}`;
    case "wrong_name":
      return `Use a name it offers, or start helyosd with --tls-san ${url.hostname.replace(/^\[|\]$/g, "")}`;
    case "expired":
      return "helyosd renews its certificate by itself: restart it and check the clocks of both machines";
    case "not_yet_valid":
      return "Set the clock (of this machine, or of the daemon's)";
    case "invalid_ca":
      return `Pin the CA again with: ${pinAgain(target)}`;
    case "not_tls":
      return `The daemon serves plain HTTP: nothing was sent. Use http:// only if that is what you expect`;
    case "tls_required":
      return `Use ${target.server.replace(/^http:/, "https:")}`;
    case "proxy_refused":
      return "Check the address given with --proxy";
    case "redirect_off_origin":
      return "The token is never sent elsewhere; use the other address itself if you trust it";
    default:
      return undefined;
  }
}

function loginHint(target: Target): string {
  return `Log in with: helyos login ${target.server}`;
}

function pinAgain(target: Target): string {
  const name = target.context === undefined ? "" : ` --name ${target.context}`;
  return `helyos login ${target.server}${name}`;
}
