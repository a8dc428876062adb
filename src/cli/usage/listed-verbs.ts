import type { Command } from "commander";

/** Loads the file of a verb; `define` adds its arguments, options, sub-verbs and actions. */
export type LoadVerb = () => Promise<{ readonly define: (command: Command) => void }>;

const notDefined = new WeakMap<Command, LoadVerb>();

/** Lists a verb in the help; it has no options until `defineVerbs` loads it. */
export function listVerb(verb: Command, load: LoadVerb): void {
  notDefined.set(verb, load);
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
