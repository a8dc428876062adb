import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { faultOf } from "./run-metrics.ts";

/** Every cause that the code gives to an end, and whose fault it is. */
const faults: Readonly<Record<string, ReturnType<typeof faultOf>>> = {
  base_unavailable: "tenant",
  bundle_altered: "tenant",
  cancelled: "tenant",
  deadline_exceeded: "tenant",
  disk_limit: "tenant",
  document_missing: "tenant",
  evidence_lost: "platform",
  gave_up: "tenant",
  handoff_limit_exceeded: "methodology",
  handoff_refused: "methodology",
  internal: "platform",
  invalid_result: "tenant",
  limit_exceeded: "tenant",
  needs_human: "tenant",
  protocol_error: "tenant",
  queue_limit_exceeded: "tenant",
  start_refused: "platform",
  step_failed: "tenant",
  stopped: "tenant",
  upload_refused: "tenant",
  verdict_failed: "tenant",
  work_limit_exceeded: "tenant",
  workflow_failed: "platform",
  workflow_lost: "platform",
  restored: "platform",
  workflow_terminated: "tenant", // somebody ended it by hand
};

it("tells whose fault each cause is that the code knows", () => {
  const root = new URL("../../../", import.meta.url).pathname;
  const files = globSync(["src/{runs,work,seal,admission}/**/*.ts", "workers/**/*.ts"], { cwd: root });
  const sources = files.filter((file) => !file.endsWith(".test.ts")).map((file) => readFileSync(root + file, "utf8"));
  const given = sources.flatMap((text) => [
    ...[...text.matchAll(/\bcause: ((?:"\w+"(?: \| )?)+)/g)].flatMap(([, codes = ""]) => codes.split(" | ")),
    ...[...text.matchAll(/\bend\("[A-Z_]+", ("\w+")/g)].map(([, code = ""]) => code),
    ...[...text.matchAll(/const lasting[^[]*\[([^\]]*)/g)].flatMap(([, codes = ""]) => codes.split(", ")),
  ]);
  expect([...new Set(given.map((code) => code.replaceAll('"', "")))].toSorted()).toEqual(
    Object.keys(faults).toSorted(),
  );
  for (const [cause, fault] of Object.entries(faults)) expect(faultOf(cause), cause).toBe(fault);
});
