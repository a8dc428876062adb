import { spawnSync } from "node:child_process";
import { show, spreadOf, table } from "./statistics.ts";

const rounds = 9;
/** Without it, with metrics only, and with spans that go to a collector, which is away: they are made, kept and given up. */
const modes = ["none", "metrics", "spans"] as const;

/** What telemetry costs a run: every span and count of one, from accept to the publishing of its last event, in a process of its own for each round. */
export async function benchTelemetry(): Promise<void> {
  const found = modes.map((mode) => ({ mode, micros: [] as number[] }));
  for (let round = 0; round < rounds; round += 1)
    for (const { mode, micros } of found) {
      const script = new URL("telemetry-of-runs.ts", import.meta.url).pathname;
      const { status, stdout, stderr } = spawnSync(process.execPath, [script, mode], { encoding: "utf8" });
      if (status !== 0) throw new Error(`the round of ${mode} ended with ${status}: ${stderr}`);
      micros.push(Number(stdout));
    }
  const [none] = found;
  console.log(
    table(
      ["Telemetry", "CPU µs per run: median (spread)", "more than without, by rounds"],
      found.map(({ mode, micros }) => [
        mode,
        show(spreadOf(micros), 1),
        show(spreadOf(micros.map((each, round) => each - (none?.micros[round] ?? Number.NaN))), 1),
      ]),
    ),
  );
}
