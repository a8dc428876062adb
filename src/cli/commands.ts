import type { Command } from "commander";
import { programVersion } from "./clone.ts";

/** Loads the file of a verb; `define` adds its arguments, options, sub-verbs and actions. */
type Load = () => Promise<{ readonly define: (command: Command) => void }>;

/** In the order of the help. */
const verbs: Readonly<Record<string, readonly [description: string, load: Load]>> = {
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
    "end the local stack, wherever it was started, and wait until it has ended; its data stays",
    () => import("./commands/stop.ts"),
  ],
  run: ["start, list, describe, watch and cancel runs", () => import("./commands/run.ts")],
  request: ["what was asked for, and what became of it", () => import("./commands/request.ts")],
  delivery: ["what came on the bus and belongs to no tenant", () => import("./commands/delivery.ts")],
  queue: ["runs without an end by state, and those that do not go on, with why", () => import("./commands/queue.ts")],
  event: ["speak on the bus as a methodology service does", () => import("./commands/event.ts")],
  apply: [
    "declare definitions, profiles and rules; all documents are checked before the first is sent",
    () => import("./commands/apply.ts"),
  ],
  definition: ["what runs may run: list, get", () => import("./commands/definition.ts")],
  profile: ["what a methodology asks of a run: list, get", () => import("./commands/profile.ts")],
  rule: ["which definition a request is sent to: list", () => import("./commands/rule.ts")],
  repository: ["what work begins from: list", () => import("./commands/repository.ts")],
  persona: ["who works in a workspace: publish, list, digest", () => import("./commands/persona.ts")],
  artifact: ["what a run left behind: list, get", () => import("./commands/artifact.ts")],
  attestation: ["signed evidence: list, get, export", () => import("./commands/attestation.ts")],
  key: ["public keys that attestations are signed with: list", () => import("./commands/key.ts")],
  graph: ["what runs left in the graph", () => import("./commands/graph.ts")],
  demo: [
    "let the example Scrum service ask for a run, and show what becomes of it; exit 0 when it ended as shown in advance: COMPLETED, or FAILED with an impediment for --failing",
    () => import("./commands/demo.ts"),
  ],
  url: [
    "print the address of a part of the local stack, such as api or kafka; without a name, all of them",
    () => import("./commands/url.ts"),
  ],
  token: ["print a bearer token of the local stack's issuer, valid for an hour", () => import("./commands/token.ts")],
  version: [
    "show the version of this program and its Node; the verb status shows those of the engines",
    () => import("./commands/version.ts"),
  ],
  completion: [
    "print a script for a shell to read, that completes verbs, options and their fixed values",
    () => import("./commands/completion.ts"),
  ],
};

const notDefined = new WeakMap<Command, Load>();

/**
 * What people type; each verb is in the file of its name.
 * @param used - the one verb that is to be defined; the others are listed, until `defineVerbs` is called for them. All are defined when it is absent
 */
export async function registerCommands(program: Command, used?: string): Promise<void> {
  const version = `automation ${programVersion()}, Node ${process.versions.node}`;
  program.version(version, "--version", "show the version of this program and its Node");
  for (const [name, [description, load]] of Object.entries(verbs))
    notDefined.set(program.command(name).description(description), load);
  await defineVerbs(program, used === undefined ? Object.keys(verbs) : [used]);
}

/** Defines verbs that are only listed so far. */
export async function defineVerbs(program: Command, names: readonly string[]): Promise<void> {
  await Promise.all(
    program.commands.map(async (command) => {
      const load = notDefined.get(command);
      if (load === undefined || !names.includes(command.name())) return;
      notDefined.delete(command);
      (await load()).define(command);
    }),
  );
}
