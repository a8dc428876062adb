import { inspect } from "node:util";
import type { Command } from "commander";
import { processEnvironment } from "../../config/process-environment.ts";
import { UnusableConfigurationError } from "../../config/unusable-configuration-error.ts";
import { printError } from "../show/terminal.ts";

type Main = (environment: NodeJS.ProcessEnv, signal: AbortSignal) => Promise<void>;

const processes: { name: string; description: string; load: () => Promise<Main> }[] = [
  { name: "api", description: "serve the api", load: async () => (await import("../../processes/api/api.ts")).main },
  {
    name: "dispatcher",
    description: "accept requests from the bus, release runs to Temporal",
    load: async () => (await import("../../processes/dispatcher.ts")).main,
  },
  {
    name: "relay",
    description: "publish run events",
    load: async () => (await import("../../processes/relay.ts")).main,
  },
  {
    name: "migrate",
    description: "bring database, topics and bucket up to date, then end",
    load: async () => (await import("../../processes/migrate.ts")).main,
  },
];

/** Whether the first argument names a long-running process, not a command for people. */
export function isProcess(argument: string | undefined): boolean {
  return argument === "worker" || processes.some(({ name }) => name === argument);
}

/** The long-running processes, one subcommand each. They are configured by their environment; SIGTERM or SIGINT drains them. */
export function registerProcesses(program: Command): void {
  for (const { name, description, load } of processes) {
    program
      .command(name)
      .description(description)
      .action(async () => await runProcess(await load()));
  }
  const worker = program.command("worker").description("run a worker");
  const kinds = {
    control: "workflow tasks and api calls; no sandbox",
    workspace: "the work of runs, each in a box that is proven at the start",
  } as const;
  for (const kind of ["control", "workspace"] as const) {
    worker
      .command(kind)
      .description(kinds[kind])
      .action(async () => {
        const { main } = await import("../../../workers/main.ts");
        await runProcess((environment, signal) => main(kind, environment, signal));
      });
  }
}

async function runProcess(main: Main): Promise<never> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
  try {
    await main(processEnvironment(), stop.signal);
    process.exit(0);
  } catch (error) {
    const isExplained = error instanceof UnusableConfigurationError;
    printError(isExplained ? `automation: ${error.message}` : inspect(error));
    process.exit(isExplained ? 2 : 1);
  }
}
