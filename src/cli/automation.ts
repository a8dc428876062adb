import { Command, CommanderError } from "commander";
import { isProcess, registerProcesses } from "./commands/process.ts";
import { commandOutput, endWithReader } from "./show/terminal.ts";
import { programAsTyped } from "./usage/command-line.ts";
import { explainUsage } from "./usage/explain-usage.ts";

const program = new Command(programAsTyped())
  .description("event-driven, methodology-aware automation runs on Temporal")
  .enablePositionalOptions() // what stands behind a verb is the verb's
  .configureOutput(commandOutput);

// Processes don't load the command line, and a verb doesn't load other verbs.
const forPeople = !isProcess(process.argv[2]);
if (forPeople) {
  const { registerCommands } = await import("./commands.ts");
  const [first = "", second = ""] = process.argv.slice(2);
  await registerCommands(program, first === "help" ? second : first);
  endWithReader();
  process.on("uncaughtException", (error) => void fail(error).then((code) => process.exit(code)));
}
registerProcesses(program);
explainUsage(program);
let reached = program;
program.hook("preAction", (_, command) => {
  reached = command;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await fail(error);
}

async function fail(error: unknown): Promise<number> {
  // Commander has shown the help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { reportFailure } = await import("./report-failure.ts");
  return reportFailure(error, process.argv.includes("--json"), reached);
}
