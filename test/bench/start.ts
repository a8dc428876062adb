import { benchAccepts } from "./accepts.ts";
import type { BenchWorld } from "./bench-world.ts";
import { startBenchWorld } from "./bench-world.ts";
import { benchLatency } from "./latency.ts";
import { benchStarts, flights } from "./starts.ts";
import { quantile, show, spreadOf, table } from "./statistics.ts";

const inWorld = async <T>(work: (world: BenchWorld) => Promise<T>): Promise<T> => {
  const world = await startBenchWorld();
  return await work(world).finally(() => world.stop());
};
const perEvent = (rate: number) => (1_000 / rate).toFixed(2);

/** Starts, acceptance and the way from the bus to the start, each beside the bare loop. */
export async function benchStart(): Promise<void> {
  const pairs = await inWorld(benchStarts);
  const raw = flights.map((inFlight) => {
    const own = pairs.filter((pair) => pair.inFlight === inFlight);
    return [
      `client.workflow.start, ${inFlight} in flight`,
      show(spreadOf(own.map((pair) => pair.raw.perSecond))),
      show(spreadOf(own.map((pair) => pair.raw.cpuMs)), 2),
      show(spreadOf(own.map((pair) => pair.release.perSecond / pair.raw.perSecond)), 2),
    ];
  });
  const released = spreadOf(pairs.map((pair) => pair.release.perSecond));
  const releaseCpu = spreadOf(pairs.map((pair) => pair.release.cpuMs));
  console.log(
    table(
      ["Starts", "per second: median (spread)", "CPU ms per start", "release ÷ this, by pairs"],
      [...raw, ["release loop", show(released), show(releaseCpu, 2), ""]],
    ),
  );

  const accepts = await inWorld(benchAccepts);
  const accepted = spreadOf(accepts.map(({ perSecond }) => perSecond));
  const acceptCpu = spreadOf(accepts.map(({ cpuMs }) => cpuMs));
  console.log(
    `\n${table(
      ["Stage", "events per second", "ms per event", "CPU ms per event"],
      [
        ["accept, Temporal held back", show(accepted), perEvent(accepted.median), show(acceptCpu, 3)],
        ["release", show(released), perEvent(released.median), show(releaseCpu, 2)],
      ],
    )}`,
  );

  const halfLoad = Math.round(released.median / 2);
  const latency = await inWorld((world) => benchLatency(world, halfLoad));
  const row = (name: string, values: readonly number[]) => [
    name,
    ...[0.5, 0.9, 0.99].map((q) => quantile(values, q).toFixed(1)),
  ];
  console.log(
    `\n${table(
      [`Milliseconds at half load (${halfLoad} a second)`, "p50", "p90", "p99"],
      [
        row("bare client.workflow.start", latency.rawStart),
        row("produced → accepted", latency.producedToAccepted),
        row("accepted → started", latency.acceptedToStarted),
        row("produced → started", latency.producedToStarted),
      ],
    )}`,
  );
}
