import { expect, it } from "vitest";
import { sloRules } from "./slo-rules.ts";

it("the rules of the SLOs are what monitoring/slos.ts promises", async () => {
  await expect(sloRules()).toMatchFileSnapshot("../charts/automation-scheduler/rules/slos.yaml");
});
