import { defineConfig } from "vitest/config";

/** Unit tests sit beside the code; the other projects drive real engines and are given time for it. */
const onEngines = (name: string, globalSetup?: string, folders = name) => ({
  test: { name, include: [`test/${folders}/**/*.test.ts`], testTimeout: 120_000, hookTimeout: 180_000, globalSetup },
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
            "monitoring/**/*.test.ts",
            "images/**/*.test.ts",
            "test/architecture.test.ts",
            "test/expressions.test.ts",
            "test/pages.test.ts",
            "test/events/*.test.ts",
            "test/chart/{values-page,tiltfile}.test.ts",
          ],
          testTimeout: 60_000,
        },
      },
      onEngines("bus", undefined, "ports"), // first by its name: it mostly waits, on a broker of its own
      onEngines("integration", "test/support/engines/project-engines.ts"),
      onEngines("workspace"), // boxes, git and files; no engines
      onEngines("replay"),
      onEngines("e2e"), // a stack each, on ports of its own
      onEngines("faults"), // by chance, for some seconds; for minutes in `npm run faults`
      onEngines("outages"), // minutes long: `npm run faults`
      onEngines("roll"), // the same
      onEngines("upgrade"), // `npm run test:upgrade -- COMMIT`
      onEngines("images", "test/support/containers/project-images.ts"), // `npm run test:images`
      {
        test: {
          name: "chart", // `npm run test:chart`
          include: ["test/chart/**/*.test.ts"],
          exclude: ["test/chart/{values-page,tiltfile}.test.ts"],
          testTimeout: 900_000,
          globalSetup: "test/support/containers/project-images.ts",
        },
      },
    ],
  },
});
