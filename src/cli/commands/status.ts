import { statSync } from "node:fs";
import type { Command } from "commander";
import type { Part } from "../../../local/status/parts.ts";
import { readParts } from "../../../local/status/parts.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";
import { requireRunningStack } from "../../../local/up/running-stack.ts";
import { folderOf } from "../../../local/up/state-folder.ts";
import { programVersion } from "../clone.ts";
import { factLines, shortTime, tableLines } from "../show/output.ts";
import { jsonText, print, tint } from "../show/terminal.ts";

const colourOf = { ready: "green", degraded: "yellow", down: "red" } as const;

/** `automation status`: what of the local stack runs. */
export function registerStatus(program: Command): void {
  program
    .command("status")
    .description(
      "show what of the local stack runs, and where; exit 0 when all is ready, 1 when not, 3 when it does not run",
    )
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .action(async ({ state: dir, json }: { state?: string; json?: boolean }) => {
      const state = requireRunningStack(process.cwd(), dir);
      const parts = await readParts(state);
      const isReady = parts.every((part) => part.state === "ready");
      if (!isReady) process.exitCode = 1;
      if (json) print(jsonText(statusOf(state, parts, isReady)));
      else for (const line of statusLines(state, parts, isReady)) print(line);
    });
}

function statusOf({ dir, pid, temporal }: RunningStack, parts: readonly Part[], isReady: boolean) {
  return {
    state: isReady ? "ready" : "degraded",
    dir,
    pid,
    since: readySince(dir),
    webPages: temporal.uiUrl,
    versions: { automation: programVersion(), node: process.versions.node },
    parts,
  };
}

function statusLines(state: RunningStack, parts: readonly Part[], isReady: boolean): string[] {
  const { since, versions, webPages } = statusOf(state, parts, isReady);
  const overall = isReady ? "ready" : "degraded";
  return [
    ...factLines([
      ["stack", state.dir],
      ["since", shortTime(since)],
      ["pid", state.pid],
      ["web pages", webPages],
      ["version", `${versions.automation}, Node ${versions.node}`],
    ]),
    `${tint("dim", "state    ")}  ${tint(colourOf[overall], overall)}`,
    "",
    ...tableLines(parts, [
      { title: "NAME", of: ({ name }) => name },
      { title: "STATE", of: (part) => part.state },
      { title: "PID", of: ({ pid }) => pid },
      { title: "SINCE", of: ({ since }) => shortTime(since) },
      { title: "ADDRESS", of: ({ address }) => address },
      { title: "VERSION", of: ({ version }) => version },
      { title: "WHY", of: ({ reasons }) => reasons.join("; ") },
    ]),
  ];
}

const readySince = (dir: string) => statSync(folderOf(dir).upFile, { throwIfNoEntry: false })?.mtime.toISOString();
