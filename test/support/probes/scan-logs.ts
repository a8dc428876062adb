import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What Node and JavaScript say of an error that nobody expected. */
const unhandled = /unhandled|uncaught|\b(Type|Reference|Range|Syntax|Assertion)Error\b|out of memory|FATAL ERROR/i;
/** What Temporal's SDK calls an error when a server that was restored hands out a workflow task once more; it goes on. */
const ofNoMatter = /Trying to send a new WFT for a run which already has one/;
/** Pino's level of an error. */
const errorLevel = 50;

/**
 * Reads every log of a stack.
 * @param secrets - texts that must be in none of them
 * @param processes - whose logs hold one JSON object a line, and no error
 * @returns what is wrong, with the line, and how many lines there were
 */
export function scanLogs(dir: string, secrets: readonly string[], processes: readonly string[]) {
  const faults: string[] = [];
  let lines = 0;
  for (const file of readdirSync(dir)) {
    const isOurs = processes.includes(file.replace(/\.log.*$/, ""));
    for (const line of readFileSync(join(dir, file), "utf8").split("\n")) {
      if (line === "") continue;
      lines += 1;
      const shown = `${file}: ${line.slice(0, 500)}`;
      const secret = secrets.findIndex((text) => line.includes(text));
      if (secret !== -1) faults.push(`${file} holds secret ${secret}`);
      if (isOurs && !ofNoMatter.test(line) && (unhandled.test(line) || levelOf(line) >= errorLevel)) faults.push(shown);
    }
  }
  return { faults, lines };
}

/** @returns infinity for what is no JSON */
function levelOf(line: string): number {
  try {
    return Number((JSON.parse(line) as { level?: number }).level ?? 0);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
