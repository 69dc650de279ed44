/**
 * Colours and icons, and whether there are any.
 *
 * @module
 */
import type { Io, TextSink } from "../io.ts";

/** How text may look on one stream. */
export interface Style {
  /** Whether escape sequences for colour are written. */
  readonly colour: boolean;
  /** Whether icons come from a Nerd Font. */
  readonly nerd: boolean;
  /** Width of the terminal; undefined when the stream is no terminal, so that nothing needs to be cut. */
  readonly columns: number | undefined;
}

/** What a colour means. */
export type Role =
  | "border"
  | "rule"
  | "text"
  | "secondary"
  | "muted"
  | "accent"
  | "green"
  | "yellow"
  | "red"
  | "cyan";

/** Colours of the 256-palette. */
const PALETTE: Readonly<Record<Role, number>> = {
  border: 239,
  rule: 237,
  text: 253,
  secondary: 245,
  muted: 240,
  accent: 75,
  green: 77,
  yellow: 178,
  red: 203,
  cyan: 80,
};

/** What an icon stands for. */
export type IconName =
  | "cluster"
  | "node"
  | "pod"
  | "deploy"
  | "event"
  | "success"
  | "error"
  | "warning"
  | "running";

const ICONS: Readonly<Record<IconName, string>> = {
  cluster: "⊞",
  node: "◆",
  pod: "●",
  deploy: "◎",
  event: "•",
  success: "✓",
  error: "✗",
  warning: "⚠",
  running: "⏻",
};

/** Font Awesome's places within Nerd Fonts: sitemap, server, cube, rocket, bolt, check, times, warning, power. */
const NERD_ICONS: Readonly<Record<IconName, string>> = {
  cluster: "\uf0e8",
  node: "\uf233",
  pod: "\uf1b2",
  deploy: "\uf135",
  event: "\uf0e7",
  success: "\uf00c",
  error: "\uf00d",
  warning: "\uf071",
  running: "\uf011",
};

/** No colour, plain icons, nothing cut: a pipe. */
export const PLAIN: Style = { colour: false, nerd: false, columns: undefined };

/**
 * How text may look on a stream: no colour when it is no terminal or when `NO_COLOR` is set to anything; Nerd Font icons
 * when `HELYOS_ICONS` says `nerd` in any case.
 *
 * @param sink The stream.
 * @param io Where the variables come from.
 * @returns Its style.
 */
export function styleOf(sink: Pick<TextSink, "isTerminal" | "columns">, io: Pick<Io, "env">): Style {
  const colour = sink.isTerminal && io.env("NO_COLOR") === undefined;
  const nerd = io.env("HELYOS_ICONS")?.toLowerCase() === "nerd";
  return { colour, nerd, columns: sink.isTerminal ? sink.columns : undefined };
}

/**
 * Colours text.
 *
 * @param style Whether there is colour at all.
 * @param role What the colour means.
 * @param text Text that is safe to print.
 * @returns The text, between escape sequences if there is colour.
 */
export function paint(style: Style, role: Role, text: string): string {
  return style.colour && text !== "" ? `\x1b[38;5;${PALETTE[role]}m${text}\x1b[39m` : text;
}

/**
 * An icon.
 *
 * @param style Which font the terminal has.
 * @param name What it stands for.
 * @returns One character.
 */
export function icon(style: Style, name: IconName): string {
  return (style.nerd ? NERD_ICONS : ICONS)[name];
}
