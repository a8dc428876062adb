import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { clone } from "../engines/stack.ts";

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** What stands after the language: a label of commands, or the path of a file that a reader saves the text as. */
  readonly label: string;
  readonly text: string;
}

/** Paths of all pages for people, README first. */
export const pages: readonly string[] = ["README.md", ...globSync("docs/**/*.md", { cwd: clone }).toSorted()];

export const textOf = (page: string): string => readFileSync(join(clone, page), "utf8");

/** @returns the fenced blocks of a page, in order */
export function blocksOf(page: string): Block[] {
  const text = textOf(page);
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => {
    const [, info = "", body = ""] = match;
    const [language = "", label = ""] = info.split(" ");
    return { page, line: text.slice(0, match.index).split("\n").length, language, label, text: body };
  });
}

/** Saves the files that a page shows, as its reader does, below a folder. */
export function saveFilesOf(page: string, folder: string): void {
  for (const { language, label, text } of blocksOf(page)) {
    if (language === "sh" || label === "") continue;
    mkdirSync(dirname(join(folder, label)), { recursive: true });
    writeFileSync(join(folder, label), text);
  }
}

/** @returns what stands between backticks in the running text and the tables of a page */
export function inlineCodeOf(page: string): string[] {
  const prose = textOf(page).replaceAll(/^```.*?^```$/gms, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}
