import { stripVTControlCharacters } from "node:util";

/** Text that any store and terminal takes: no escape sequences, no control characters but tab and line feed, no lone surrogates. */
export function storableText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[^\P{Cc}\t\n]/gu, "")
    .toWellFormed();
}
