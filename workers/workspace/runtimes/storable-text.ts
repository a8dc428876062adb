import { stripVTControlCharacters } from "node:util";

/** Text that any store and terminal takes: no escape sequences, no control characters but tab and line feed, no lone surrogates. */
export function storableText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[^\P{Cc}\t\n]/gu, "")
    .toWellFormed();
}

/** Cuts a text to so many UTF-16 units, and shows that it did. */
export function cutText(text: string, units: number): string {
  return text.length <= units ? text : `${text.slice(0, units - 1).toWellFormed()}…`;
}
