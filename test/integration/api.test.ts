import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunningApi } from "../support/api.ts";
import { declare, startApi, startRun } from "../support/api.ts";
let api: RunningApi;
beforeAll(async () => { api = await startApi(); });
afterAll(() => api?.stop());
it("smoke", async () => {
  const client = await api.clientOf();
  await declare(client);
  const id = await startRun(client);
  const d = await client.workflows.describeWorkflowRun({ runId: id });
  console.log(d.run);
  const l = await client.workflows.listWorkflowRuns({});
  expect(l.runs).toHaveLength(1);
});
