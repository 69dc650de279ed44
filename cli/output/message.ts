/**
 * One-line results and complaints, each behind its mark.
 *
 * @module
 */
import { icon, type IconName, paint, type Role, type Style } from "./style.ts";
import { visible } from "./text.ts";

function marked(style: Style, mark: { icon: IconName; role: Role }, text: string): string {
  return `${paint(style, mark.role, icon(style, mark.icon))} ${visible(text, { lines: true })}\n`;
}

/**
 * What was done: `✓ TEXT`, for standard output.
 *
 * @param style Of the stream it goes to.
 * @param text What was done; further lines follow without a mark.
 * @returns Text with a line break at the end.
 */
export function success(style: Style, text: string): string {
  return marked(style, { icon: "success", role: "green" }, text);
}

/**
 * What was left out, or is merely told: `• TEXT`, for standard output.
 *
 * @param style Of the stream it goes to.
 * @param text What there is to say.
 * @returns Text with a line break at the end.
 */
export function remark(style: Style, text: string): string {
  return marked(style, { icon: "event", role: "muted" }, text);
}

/**
 * What needs attention: `⚠ TEXT`, for standard error.
 *
 * @param style Of the stream it goes to.
 * @param text What needs attention.
 * @returns Text with a line break at the end.
 */
export function warning(style: Style, text: string): string {
  return marked(style, { icon: "warning", role: "yellow" }, text);
}

/**
 * What could not be done: `✗ TEXT` and, if there is one, a hint below it; for standard error.
 *
 * @param style Of the stream it goes to.
 * @param text What could not be done.
 * @param hint What to try.
 * @returns Text with a line break at the end.
 */
export function failure(style: Style, text: string, hint?: string): string {
  const first = marked(style, { icon: "error", role: "red" }, text);
  return hint === undefined ? first : `${first}  hint: ${visible(hint, { lines: true })}\n`;
}
