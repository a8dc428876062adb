/** Strangers' text: whatever a persona, a repository, a report or a receiver wrote. Pure: the workflow uses it, too. */

/** What stands for text that was cut off. */
const ellipsis = "…";

/** Text that Postgres keeps and RFC 8785 can write: NUL is shown as its symbol, half a character as the replacement character; all else stays. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u2400");
}

/** A JSON value with every text in it storable, names of fields too. */
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
 * Cuts a text between characters, and shows that it did.
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

/** Control characters, line separators, and what turns or hides the text around it. */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/gu;

/**
 * Makes a text fit to stand in one line that people read: storable, whatever is not seen or moves the text around as `\x1b` or `\u202e`, cut between characters.
 * @param most - UTF-16 units of the result
 */
export function shownText(text: string, most: number): string {
  const shown = cutText(text, most)
    .toWellFormed()
    .replace(unseen, (character) => {
      const code = character.charCodeAt(0).toString(16);
      return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
    });
  return cutText(shown, most);
}

/** @returns whether no surrogate pair stands across a place of the text */
function isBetweenCharacters(text: string, at: number): boolean {
  return at <= 0 || at >= text.length || (text.codePointAt(at - 1) ?? 0) <= 0xffff;
}
