import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { clonePath } from "../../src/cli/clone.ts";
import { commandLine, quote } from "../../src/cli/usage/command-line.ts";
import { processEnvironment } from "../../src/config/process-environment.ts";
import type { RunningStack } from "../up/running-stack.ts";
import type { DemoSettings } from "./settings.ts";

/** Suggested commands under a heading; they work as printed, in another terminal in this folder. */
export interface NextSteps {
  readonly title: string;
  readonly lines: readonly string[];
}

/** @returns what to do after a demo whose stack ends with it */
export function stepsWithoutStack({ dir, nats }: RunningStack): NextSteps[] {
  const title = "the stack ends here, and its data stays: start it again for another run, and to look closer";
  return [
    { title, lines: [commandLine(["up", "--demo", ...(nats === undefined ? [] : ["--bus", "nats"])], undefined, dir)] },
  ];
}

/** @returns what to do after the demo, while its stack runs */
export function nextSteps(after: {
  readonly state: RunningStack;
  readonly settings: DemoSettings;
  readonly runId: string;
  readonly failing: boolean;
}): NextSteps[] {
  const { state, settings, runId, failing } = after;
  const { backlogItem } = settings;
  const automation = (...words: string[]) => commandLine(words, settings, state.dir);
  const sample = clonePath("examples", "demo", "event.json");
  const other = failing ? ["demo"] : ["demo", "--failing"];
  return [
    {
      title: "look closer, in a second terminal in this folder",
      lines: [
        automation("run", "describe", runId),
        automation("run", "watch", runId),
        automation("run", "trace", runId),
        automation("artifact", "list", "--run", runId),
        automation("attestation", "export", "--run", runId, "--out", `evidence/${runId}`),
        automation("graph", "list", "--ref", `backlog_item:${backlogItem}`),
        automation("request", "list"),
      ],
    },
    {
      title:
        state.kafka === undefined || isKcatThere()
          ? "ask yourself"
          : "ask yourself (kcat comes with the Debian package kcat)",
      lines: [
        commandLine(other, undefined, state.dir),
        automation("event", "publish", "-f", sample),
        ...(state.kafka === undefined ? [] : [kcatLine(state.kafka, sample)]),
      ],
    },
    {
      title: "in a browser",
      lines: [`${state.temporal.uiUrl}/namespaces/${state.temporal.namespace}/workflows`],
    },
  ];
}

function kcatLine({ brokers }: { readonly brokers: readonly string[] }, sample: string): string {
  const header = "content-type=application/cloudevents+json";
  const words = ["kcat", "-P", "-b", brokers.join(","), "-t", "automation.run.requested", "-H", header, sample];
  return words.map(quote).join(" ");
}

function isKcatThere(): boolean {
  return (processEnvironment().PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, "kcat")));
}
