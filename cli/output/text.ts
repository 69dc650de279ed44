/**
 * Text as a terminal sees it: how many columns it takes, and nothing in it that the terminal would obey.
 *
 * @module
 */

/** East Asian wide and fullwidth characters (UAX #11), blocks rounded to what is or may be assigned in them. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f251}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|[0-9#*]\ufe0f\u20e3/u;

/** Whole clusters that move the cursor nowhere: marks and joiners with nothing to sit on. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\u200c\u200d]+$/u;

const ASCII = /^[\x20-\x7e]*$/;

/**
 * What a terminal would obey or hide instead of showing: controls, line and paragraph separators, text-direction
 * overrides and other invisible formatting (joiners apart, which scripts and emoji need), lone surrogates, and what is
 * not assigned or private within the ranges terminals treat as instructions.
 */
// deno-lint-ignore no-control-regex -- finding them is the point
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u2028\u2029\p{Cs}]|(?![\u200c\u200d])\p{Cf}/gu;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

let segmenter: Intl.Segmenter | undefined;

function clusters(text: string): string[] {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), (part) => part.segment);
}

function clusterColumns(cluster: string): number {
  if (NO_WIDTH.test(cluster)) return 0;
  return WIDE.test(cluster) ? 2 : 1;
}

/**
 * Text with everything a terminal would obey spelled out (`\x1b`, `\u{202e}`), so that a name chosen by somebody else
 * can neither move the cursor, set the title or the clipboard, nor pass for another name.
 *
 * @param text What came from the server, a file or the command line.
 * @param options `lines` keeps line breaks and tabs, for messages of several lines.
 * @returns Text safe to print.
 */
export function visible(text: string, options: { readonly lines?: boolean } = {}): string {
  if (ASCII.test(text)) return text;
  return text.replace(UNSAFE, (character) => {
    if (options.lines && (character === "\n" || character === "\t")) return character;
    const named = NAMED[character];
    if (named !== undefined) return named;
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/**
 * How many terminal columns `text` takes.
 *
 * @param text Text without control characters; see {@linkcode visible}.
 * @returns Columns: two for wide characters and emoji, none for combining marks.
 */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  return clusters(text).reduce((sum, cluster) => sum + clusterColumns(cluster), 0);
}

/**
 * Cuts `text` to at most `columns`, with an ellipsis as the last column when something is missing.
 *
 * @param text Text without control characters.
 * @param columns How much room there is.
 * @returns The text, or its beginning and `…`; never cut inside a character.
 */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  if (columns < 1) return "";
  let kept = "";
  let used = 0;
  for (const cluster of clusters(text)) {
    used += clusterColumns(cluster);
    if (used > columns - 1) break;
    kept += cluster;
  }
  return `${kept}…`;
}
