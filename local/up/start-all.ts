import type { Screen } from "../screen.ts";
import type { EngineStarts, Stack } from "./engines.ts";
import { describeStack } from "./engines.ts";
import { migrate, processUnits } from "./processes.ts";
import type { Supervisor } from "./supervisor.ts";
import { writeWorkerToken } from "./worker-token.ts";

/** Engines side by side, what is stored once its engines are there, then the processes side by side. */
export async function startAll(
  stack: Stack,
  starts: EngineStarts,
  supervisors: { engines: Supervisor; processes: Supervisor },
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const task = screen.begin("starting", "engines and processes");
  const awaited = new Set<string>();
  const tell = async (name: string, work: Promise<void>) => {
    const step = () => awaited.size > 0 && task.step(`waiting for ${[...awaited].join(", ")}`);
    awaited.add(name);
    step();
    await work;
    awaited.delete(name);
    step();
  };
  const engine = async (name: keyof EngineStarts) => {
    const start = starts[name];
    if (start !== undefined) await tell(name, supervisors.engines.run({ name, start }));
  };
  const state = { ...describeStack(stack), dir: stack.folder.dir };
  try {
    await Promise.all([
      Promise.all([engine("postgres"), engine("kafka"), engine("nats"), engine("s3")]).then(() =>
        tell("the migration", migrate(stack, signal)),
      ),
      engine("issuer").then(() => writeWorkerToken(state, stack.folder.workerToken, signal)),
      engine("temporal"),
    ]);
    await Promise.all(processUnits(stack).map((unit) => tell(unit.name, supervisors.processes.run(unit))));
  } finally {
    task.end();
  }
}
