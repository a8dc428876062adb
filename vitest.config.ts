import { defineConfig } from "vitest/config";

/** Unit tests sit beside the code; the other projects drive real engines and are given time for it. */
const onEngines = (name: string, include: string, fileParallelism = false) => ({
  test: { name, include: [include], testTimeout: 120_000, hookTimeout: 180_000, fileParallelism },
});

export default defineConfig({
  test: {
    reporters: ["default"],
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "workers/**/*.test.ts",
            "local/**/*.test.ts",
            "examples/**/*.test.ts",
            "test/architecture.test.ts",
            "test/expressions.test.ts",
            "test/pages.test.ts",
          ],
          testTimeout: 60_000,
        },
      },
      onEngines("integration", "test/integration/**/*.test.ts", true), // each file starts its own, and mostly waits
      onEngines("workspace", "test/workspace/**/*.test.ts", true), // boxes, git and files; no engines
      onEngines("replay", "test/replay/**/*.test.ts"),
      onEngines("e2e", "test/e2e/**/*.test.ts", true), // a stack each, on ports of its own
      onEngines("faults", "test/faults/**/*.test.ts", true),
    ],
  },
});
