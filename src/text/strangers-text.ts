/** Strangers' text: what a persona, a repository, a report or a receiver wrote. Pure, because the workflow uses it too. */

/** Longest reason that a worker may give for an end, in UTF-16 units; the protos of CompleteWork and AbortSeal say the same. */
export const longestReason = 2_000;
/** Longest reason that is shown beside other things, in UTF-16 units. */
export const longestShownReason = 500;

/** Replaces text that was cut off. */
const ellipsis = "…";

/** Makes a text that Postgres can store and RFC 8785 can write: NUL becomes its symbol, half a surrogate pair the replacement character. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u2400");
}

/** Makes every text in a JSON value storable, including names of fields. */
export function storableJson<T>(value: T): T {
  return storableValue(value) as T;
}

function storableValue(value: unknown): unknown {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map(storableValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [storable(name), storableValue(inner)]));
}

/**
 * Cuts a text between characters, and ends it with an ellipsis when it was cut.
 * @param most - UTF-16 units of the result, at least 1
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, isBetweenCharacters(text, most - 1) ? most - 1 : most - 2)}${ellipsis}`;
}

/** The last words of a text, cut between characters. @param most - UTF-16 units of the result */
export function lastWords(text: string, most: number): string {
  const from = Math.max(0, text.length - most);
  return text.slice(isBetweenCharacters(text, from) ? from : from + 1);
}

/** Characters that are invisible, or move or hide the text around them: control characters, line separators, directions, joiners, fillers, tags; without the two emoji selectors. */
const unseen = /(?![\uFE0E\uFE0F])[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB]/gu;
/** They join letters in some languages, and parts of emoji. */
const joiners = ["\u200c", "\u200d"];

/** Shows invisible characters and those that move text as `\x1b`, `\u202e` or `\u{e0041}`: safe for a terminal. */
export function visible(text: string): string {
  return text.toWellFormed().replace(unseen, escaped);
}

/** JSON of the same value, with invisible characters in its texts as `\u202e`. */
export function visibleJson(json: string): string {
  return json.replace(unseen, (character) =>
    character
      .split("")
      .map((unit) => (unit === "\n" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`))
      .join(""),
  );
}

/**
 * Makes a text safe to show in one line: storable, invisible characters shown except joiners, cut between characters.
 * @param most - UTF-16 units of the result
 */
export function shownText(text: string, most: number): string {
  const shown = cutText(text, most)
    .toWellFormed()
    .replace(unseen, (character) => (joiners.includes(character) ? character : escaped(character)));
  return cutText(shown, most);
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  if (code > 0xffff) return `\\u{${digits}}`;
  return code > 0xff ? `\\u${digits.padStart(4, "0")}` : `\\x${digits.padStart(2, "0")}`;
}

/** @returns whether a place of the text is not inside a surrogate pair */
function isBetweenCharacters(text: string, at: number): boolean {
  return at <= 0 || at >= text.length || (text.codePointAt(at - 1) ?? 0) <= 0xffff;
}
