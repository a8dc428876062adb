import { cpus, totalmem } from "node:os";

/** The benchmarks. Each prints our figure beside that of the bare tool in the same run. */
const benches: Readonly<Record<string, () => Promise<() => Promise<void>>>> = {
  start: async () => (await import("./start.ts")).benchStart,
  runs: async () => (await import("./runs.ts")).benchRuns,
  costs: async () => (await import("./costs.ts")).benchCosts,
  queue: async () => (await import("./queue.ts")).benchQueue,
  boxes: async () => (await import("./boxes.ts")).benchBoxes,
  workspaces: async () => (await import("./workspaces.ts")).benchWorkspaces,
  captures: async () => (await import("./captures.ts")).benchCaptures,
  flood: async () => (await import("./flood.ts")).benchFlood,
  million: async () => (await import("./million.ts")).benchMillion,
  telemetry: async () => (await import("./telemetry.ts")).benchTelemetry,
};

const [wanted = ""] = process.argv.slice(2);
const load = Object.hasOwn(benches, wanted) ? benches[wanted] : undefined;
if (load === undefined) {
  console.error(`say what to measure: npm run bench -- ${Object.keys(benches).join(" | ")}`);
  process.exit(2);
}
console.log(
  `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}\n`,
);
await (await load())();
