import { cpus, totalmem } from "node:os";
import { benchAccepts } from "./accepts.ts";
import { startBenchWorld } from "./bench-world.ts";
import { benchLatency } from "./latency.ts";
import { benchStarts } from "./starts.ts";
import { quantile, show, spreadOf, table } from "./statistics.ts";

const [wanted] = process.argv.slice(2);
if (wanted !== "start") {
  console.error("say what to measure: npm run bench -- start");
  process.exit(2);
}

const world = await startBenchWorld();
try {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}\n`,
  );
  const starts = await benchStarts(world);
  console.log(table(["Starts", "per second: median (spread)", "CPU ms per start", "release ÷ this"], starts.rows));

  const accepts = await benchAccepts(world);
  const rates = spreadOf(accepts.map(({ perSecond }) => perSecond));
  const acceptCpu = spreadOf(accepts.map(({ cpuMs }) => cpuMs));
  const released = spreadOf(starts.release.map(({ perSecond }) => perSecond));
  const releaseCpu = spreadOf(starts.release.map(({ cpuMs }) => cpuMs));
  const rawCpu = spreadOf(starts.raw.map(({ cpuMs }) => cpuMs));
  const perEvent = (rate: number) => (1_000 / rate).toFixed(2);
  console.log(
    `\n${table(
      ["Stage", "events per second", "ms per event", "CPU ms per event"],
      [
        ["accept, Temporal held back", show(rates), perEvent(rates.median), show(acceptCpu, 3)],
        [
          "release",
          show(released),
          perEvent(released.median),
          `${show(releaseCpu, 2)}; bare client ${show(rawCpu, 2)}`,
        ],
      ],
    )}`,
  );

  const halfLoad = Math.round(released.median / 2);
  const latency = await benchLatency(world, halfLoad);
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
        row("accepted → start acknowledged", latency.acceptedToStarted),
        row("produced → start acknowledged", latency.producedToStarted),
      ],
    )}`,
  );
} finally {
  await world.stop();
}
