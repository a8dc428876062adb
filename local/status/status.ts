import { statSync } from "node:fs";
import { factLines, shortTime, tableLines } from "../../src/cli/show/output.ts";
import { jsonText, print, tint } from "../../src/cli/show/terminal.ts";
import { programVersion } from "../../src/config/program-version.ts";
import type { RunningStack } from "../up/running-stack.ts";
import { requireRunningStack } from "../up/running-stack.ts";
import { folderOf } from "../up/state-folder.ts";
import type { Part } from "./parts.ts";
import { readParts } from "./parts.ts";

const colourOf = { ready: "green", degraded: "yellow", down: "red" } as const;

/** Prints what of the stack runs; exit code 1 when not all of it is ready. */
export async function status({ state: dir, json }: { state?: string; json?: boolean }): Promise<void> {
  const state = requireRunningStack(process.cwd(), dir);
  const parts = await readParts(state);
  const isReady = parts.every((part) => part.state === "ready");
  if (!isReady) process.exitCode = 1;
  if (json) print(jsonText(statusOf(state, parts, isReady)));
  else for (const line of statusLines(state, parts, isReady)) print(line);
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
