import { Command, CommanderError } from "commander";
import { isProcess, registerProcesses } from "./process.ts";
import { commandOutput } from "./terminal.ts";

const program = new Command("automation")
  .description("event-driven, methodology-aware automation runs on Temporal")
  .configureOutput(commandOutput)
  .showHelpAfterError("(--help shows what can be given)");

// A process of the system does not load what only the command line needs.
if (!isProcess(process.argv[2])) {
  const { registerCommands } = await import("./commands.ts");
  registerCommands(program);
}
registerProcesses(program);
inherit(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await exitCodeOf(error);
}

/** Lets every command throw instead of ending the program by itself. */
function inherit(command: Command): void {
  command.exitOverride();
  for (const below of command.commands) {
    below.copyInheritedSettings(command);
    inherit(below);
  }
}

async function exitCodeOf(error: unknown): Promise<number> {
  if (error instanceof CommanderError) {
    // Commander has already said what is wrong, or shown the help that was asked for.
    return error.exitCode === 0 ? 0 : 2;
  }
  const { reportFailure } = await import("./report-failure.ts");
  return reportFailure(error);
}
