/**
 * Turns what libraries throw into what a person can act on.
 *
 * @module
 */
import type { ApiError } from "@helyos/api";
import type { PinningError } from "@helyos/pinning";
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

/** Where to look instead, by how a 404 begins: what is missing is no pod and no deployment. */
const LISTINGS: readonly (readonly [beginning: string, command: string])[] = [
  ["project not found", "helyos project list"],
  ["route not found", "helyos routes --all-projects"],
  ["no certificate for", "helyos cert ls"],
  ["no active token named", "helyos auth token ls"],
];

/** What the client makes of a 404 without a reason. Every daemon names what is missing, but for a request it does not know. */
const WORDLESS = "Resource not found";
const OLDER = "or the daemon is older than this helyos and does not know the request";

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

function refusalHint({ status, message, retryAfterSeconds }: ApiError, target: Target): string | undefined {
  if (status === 401) {
    if (target.token !== undefined) {
      const again = target.context === undefined ? "" : `, or log in with another token: ${pinAgain(target)}`;
      return `Check your authentication credentials${again}`;
    }
    return target.heldBack ?? `Check your authentication credentials: no token was sent. ${loginHint(target)}`;
  }
  if (status === 403) return "Check your authentication credentials: the token's scope does not allow this";
  if (status === 429) return `Wait ${retryAfterSeconds ?? 60} seconds: too many failed attempts from this address`;
  if (status === 404 && message === WORDLESS) return `${STATUS_HINTS[404]}; ${OLDER}`;
  if (status === 404) {
    const listing = LISTINGS.find(([beginning]) => message.startsWith(beginning));
    if (listing !== undefined) return `See what there is with: ${listing[1]}`;
  }
  if (status === 409 && message.startsWith("route already exists")) {
    return "See where it leads with: helyos routes --all-projects; to change it, remove it first: helyos route rm";
  }
  return STATUS_HINTS[status];
}

/** What of a target a failure names. */
export interface Place extends Pick<Target, "server" | "tls" | "context"> {
  /** The proxy in between. */
  readonly proxy?: string | undefined;
}

/**
 * A connection that did not come about, or broke.
 *
 * @param error What the client threw.
 * @param target Where the request went.
 * @returns The failure to show, naming the real cause; what is no failed connection comes back as it is.
 */
export function explainConnection(error: unknown, target: Place): unknown {
  if (!isPinningError(error)) return error;
  return new CliError(error.message.replace(/^Cannot connect to (?!the proxy )/, "Cannot connect to helyosd at "), {
    code: error.code,
    hint: connectionHint(error, target),
    cause: error,
  });
}

/** By its name, so that nothing loads the library just to ask. */
function isPinningError(error: unknown): error is PinningError {
  return error instanceof Error && error.name === "PinningError";
}

/** What may be the proxy's fault as well as the server's. */
const ON_THE_WAY: readonly string[] = ["refused", "dns", "timeout", "unreachable", "disconnected", "proxy_refused"];

function connectionHint(error: PinningError, target: Place): string | undefined {
  const url = new URL(target.server);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (target.proxy !== undefined && ON_THE_WAY.includes(error.code)) {
    return `Check the proxy given with --proxy: ${URL.parse(target.proxy)?.host}`;
  }
  switch (error.code) {
    case "refused":
      return isLoopback(url)
        ? "Is helyosd running? Start it with: helyosd"
        : `Is helyosd running on ${host}, and does it listen beyond loopback (helyosd --host 0.0.0.0)?`;
    case "dns":
      return "Check the name, and the server of the context: helyos context ls";
    case "timeout":
      if (!error.message.startsWith("Cannot connect")) return "It is there but slow: look at its log, or try again";
      return checkAddress(url);
    case "unreachable":
      return checkAddress(url);
    case "unknown_ca":
    case "invalid_certificate": // A CA of the same name with another key is one of these.
      if (target.tls !== "pinned") return `Pin its CA with: helyos login ${target.server}`;
      return "Somebody may be in between. If the daemon's CA was replaced on purpose, compare fingerprints " +
        `(helyosd ca on its host) and pin it again: ${pinAgain(target)}`;
    case "wrong_name":
      return `Use a name the certificate is for, or start helyosd with --tls-san ${host}`;
    case "expired":
    case "not_yet_valid":
      return clockHint(error);
    case "invalid_ca":
      return target.tls === "pinned"
        ? `Pin the CA again with: ${pinAgain(target)}`
        : "Somebody may be in between: ask the daemon's host what `helyosd ca` prints";
    case "not_tls":
      return "It may be plain HTTP; nothing was sent. Use http:// only if that is what you expect";
    case "tls_required":
      return `Use ${target.server.replace(/^http:/, "https:")}`;
    case "redirect_off_origin":
      return "The token goes to no other address. Use the other one with --server if you trust it";
    default:
      return undefined;
  }
}

function checkAddress(url: URL): string {
  return `Check the address, and that firewalls let port ${url.port || (url.protocol === "https:" ? 443 : 80)} through`;
}

function clockHint({ code, clock }: PinningError): string {
  if (clock === "ours") return "The clock of this machine seems to be wrong: set it";
  if (clock === "theirs") return "The clock of the daemon's machine seems to be wrong: set it and restart helyosd";
  if (code === "not_yet_valid") return "One of the two clocks is wrong: this machine's, or the daemon's";
  return "helyosd renews its certificate by itself: restart it, and check the clocks of both machines";
}

function loginHint(target: Pick<Target, "server">): string {
  return `Log in with: helyos login ${target.server}`;
}

function pinAgain(target: Pick<Target, "server" | "context">): string {
  const name = target.context === undefined ? "" : ` --name ${target.context}`;
  return `helyos login ${target.server}${name}`;
}
