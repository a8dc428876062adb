import type { Command } from "commander";
import { programVersion } from "../config/program-version.ts";
import type { LoadVerb } from "./usage/listed-verbs.ts";
import { defineVerbs, listVerb } from "./usage/listed-verbs.ts";

/** In the order of the help. */
const verbs: Readonly<Record<string, readonly [description: string, load: LoadVerb]>> = {
  up: ["run engines and processes on this machine, supervised, until Ctrl-C", () => import("./commands/up.ts")],
  status: [
    "show what of the local stack runs, and where; exit 0 when all is ready, 1 when not, 3 when it does not run",
    () => import("./commands/status.ts"),
  ],
  logs: [
    "show the logs of the local stack, running or not, in the order of their times (UTC)",
    () => import("./commands/logs.ts"),
  ],
  stop: [
    "stop the local stack, wherever it was started, and wait for its end; its data is kept",
    () => import("./commands/stop.ts"),
  ],
  run: ["start, list, describe, watch, cancel, export and reproduce runs", () => import("./commands/run.ts")],
  request: ["requests, and what became of them", () => import("./commands/request.ts")],
  delivery: ["deliveries from the bus that belong to no tenant", () => import("./commands/delivery.ts")],
  queue: [
    "show what waits, for what, and what makes no progress; keep runs from starting: hold, release",
    () => import("./commands/queue.ts"),
  ],
  check: ["look whether what must always be true is true", () => import("./commands/check.ts")],
  "catch-up": [
    "after a restore of Postgres: read requests again from then on, and list what Temporal knows and Postgres does not",
    () => import("./commands/catch-up.ts"),
  ],
  republish: [
    "publish run events again, for a topic that is gone or a consumer that lost them",
    () => import("./commands/republish.ts"),
  ],
  sweep: ["remove objects of the store that nothing names", () => import("./commands/sweep.ts")],
  event: ["publish events as a methodology service does", () => import("./commands/event.ts")],
  apply: [
    "declare definitions, profiles and rules; all documents are checked before the first is sent",
    () => import("./commands/apply.ts"),
  ],
  definition: ["automations that runs execute: list, get", () => import("./commands/definition.ts")],
  profile: ["profiles, a methodology's requirements for runs: list, get", () => import("./commands/profile.ts")],
  rule: ["rules that choose the definition of a request: list", () => import("./commands/rule.ts")],
  repository: ["repositories that work begins from: list", () => import("./commands/repository.ts")],
  persona: [
    "personas, the programs that work in a workspace: publish, list, digest",
    () => import("./commands/persona.ts"),
  ],
  artifact: ["files that a run leaves behind: list, get", () => import("./commands/artifact.ts")],
  attestation: ["signed evidence: list, get, export", () => import("./commands/attestation.ts")],
  key: ["public keys that attestations are signed with: list", () => import("./commands/key.ts")],
  graph: ["elements that runs left in the graph", () => import("./commands/graph.ts")],
  demo: [
    "let the example Scrum service request a run, and show it; exit 0 when it ends as expected: COMPLETED, with --failing: FAILED with an impediment",
    () => import("./commands/demo.ts"),
  ],
  url: [
    "print the address of a part of the local stack, such as api or kafka; without a name: all addresses",
    () => import("./commands/url.ts"),
  ],
  token: ["print a bearer token of the local stack's issuer, valid for an hour", () => import("./commands/token.ts")],
  version: [
    "show the version of this program and its Node; status shows those of the engines",
    () => import("./commands/version.ts"),
  ],
  completion: [
    "print a completion script for a shell: verbs, options and their fixed values",
    () => import("./commands/completion.ts"),
  ],
};

/**
 * What people type; each verb is in the file of its name.
 * @param used - the one verb that is to be defined; the others are listed, until `defineVerbs` is called for them. All are defined when it is absent
 */
export async function registerCommands(program: Command, used?: string): Promise<void> {
  const version = `automation ${programVersion()}, Node ${process.versions.node}`;
  program.version(version, "--version", "show the version of this program and its Node");
  for (const [name, [description, load]] of Object.entries(verbs))
    listVerb(program.command(name).description(description), load);
  await defineVerbs(program, used === undefined ? Object.keys(verbs) : [used]);
}
