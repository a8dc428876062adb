import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { folderOf } from "../../local/up/state-folder.ts";
import type { RunEventJson } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { AttestationJson } from "../../src/gen/governance/v1/governance_service_pb.ts";
import type { RequestDeliveryJson } from "../../src/gen/workflows_runtime/v1/delivery_pb.ts";
import type { RunningStack, ToldEvent } from "../support/engines/stack.ts";
import {
  automation,
  clone,
  newStateDir,
  objects,
  removeStateDir,
  shell,
  startStack,
} from "../support/engines/stack.ts";

interface Held {
  increments: { evidence: { runId: string }[] }[];
  done: { records: { runId: string }[] }[];
  impediments: { runIds: string[]; lines: { requirementId: string }[] }[];
  provisional: unknown[];
}

const acme = ["--tenant", "acme", "--org", "retail"];
let stack: RunningStack;

beforeAll(async () => {
  stack = await startStack(newStateDir(), "--demo");
});
afterAll(async () => {
  await stack?.stop();
  if (stack !== undefined) removeStateDir(stack.dir);
});

const runEvents = (told: readonly ToldEvent[]) =>
  told.filter(({ event }) => event === "run_event").map(({ run }) => run as RunEventJson);
const statuses = (told: readonly ToldEvent[]) =>
  runEvents(told).flatMap(({ status }) => status?.status?.replace("RUN_STATUS_", "") ?? []);
const verdict = (told: readonly ToldEvent[]) => runEvents(told).find((event) => event.verdict)?.verdict?.verdict;
const attestations = (told: readonly ToldEvent[]) =>
  told.flatMap(({ event, attestations }) => (event === "attestations" ? (attestations as AttestationJson[]) : []));
const runOf = (told: readonly ToldEvent[]) => String(told.find(({ event }) => event === "run")?.runId);
const linesOf = (told: readonly ToldEvent[]) =>
  told.flatMap(({ event, lines }) => (event === "next" ? (lines as string[]) : []));

async function deliveriesOf(eventId: string): Promise<RequestDeliveryJson[]> {
  const { stdout } = await automation(
    "request",
    "list",
    "--event-id",
    eventId,
    ...acme,
    "--state",
    stack.dir,
    "--json",
  );
  return objects<RequestDeliveryJson>(stdout);
}

describe("the demo", () => {
  it("goes from the event to COMPLETED through every phase, in order and without a gap", () => {
    expect(statuses(stack.told)).toEqual([
      "QUEUED",
      "ADMITTED",
      "PREPARING",
      "RUNNING",
      "EVALUATING",
      "SEALING",
      "COMPLETED",
    ]);
    expect(runEvents(stack.told).map(({ sequence }) => Number(sequence))).toEqual(
      runEvents(stack.told).map((_, index) => index + 1),
    );
  });

  it("shows the test that fails on the base, the persona's change, and no failure on what was captured", () => {
    const tests = runEvents(stack.told).flatMap((event) => event.tests ?? []);
    expect(tests.map(({ onBase, failed }) => [onBase ?? false, failed?.length ?? 0])).toEqual([
      [true, 1],
      [false, 0],
    ]);
    const { patch } = stack.told.find(({ event }) => event === "patch") as unknown as { patch: string };
    expect(patch).toMatch(/^diff --git a\/src\//);
    expect(patch.match(/^diff --git/gm)).toHaveLength(1);
  });

  it("shows a verdict with its lines, and the signed attestations of a completed run", () => {
    expect(verdict(stack.told)).toMatchObject({ passed: true, level: "SCRUM_DEFINITION_OF_DONE" });
    const lines = verdict(stack.told)?.lines ?? [];
    expect(lines.every(({ state }) => state === "LINE_STATE_MET")).toBe(true);
    expect(lines.map(({ requirementId }) => requirementId)).toEqual(
      expect.arrayContaining(["run-completed", "tests-passed", "change-captured", "exit-gate-paths"]),
    );
    expect(attestations(stack.told).map(({ kind, outcome }) => [kind, outcome])).toEqual(
      expect.arrayContaining([
        ["agent-run", "COMPLETED"],
        ["test-result", "PASSED"],
        ["provenance", "COMPLETED"],
        ["vsa", "PASSED"],
      ]),
    );
  });

  it("leaves the evidence at the Scrum service, confirmed", () => {
    const { held } = stack.told.find(({ event }) => event === "scrum") as unknown as { held: Held };
    expect(held.increments.flatMap(({ evidence }) => evidence.map(({ runId }) => runId))).toEqual([runOf(stack.told)]);
    expect(held.done.flatMap(({ records }) => records.map(({ runId }) => runId))).toEqual([runOf(stack.told)]);
    expect(held.provisional).toEqual([]);
  });

  it("prints commands that work as printed", { timeout: 10 * 60_000 }, async () => {
    const commands = linesOf(stack.told).filter((line) => /^(npx|kcat)/.test(line) && !/ demo --failing/.test(line));
    expect(commands.length).toBeGreaterThanOrEqual(6);
    const evidence = join(clone, "evidence", runOf(stack.told));
    try {
      for (const line of commands) {
        const { code, stdout, stderr } = await shell(line);
        expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
        for (const [further = ""] of stdout.matchAll(/(?<=^ {2})npx automation .*/gm))
          expect(await shell(further), further).toMatchObject({ code: 0 });
      }
      for (const file of ["agent-run.dsse.json", "provenance.dsse.json", "vsa.dsse.json", "events.ndjson"])
        expect(existsSync(join(evidence, file)), file).toBe(true);
    } finally {
      rmSync(evidence, { recursive: true, force: true });
    }
  });

  it("answers a foreign producer that repeats an event with the run it already has", async () => {
    const sample = await deliveriesOf("sample-1");
    expect(sample.map(({ disposition }) => disposition).toSorted()).toEqual([
      "DISPOSITION_ACCEPTED",
      "DISPOSITION_DUPLICATE",
    ]);
    expect(new Set(sample.map(({ runId }) => runId)).size).toBe(1);
  });
});

describe("the failing demo", () => {
  let told: ToldEvent[];
  beforeAll(async () => {
    const { code, stdout, stderr } = await automation("demo", "--failing", "--state", stack.dir, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    told = objects<ToldEvent>(stdout);
  });

  it("ends FAILED, and its verdict names the rule that the persona broke, and what to do", () => {
    expect(statuses(told).slice(-2)).toEqual(["SEALING", "FAILED"]);
    expect(verdict(told)?.passed).toBeFalsy();
    expect(verdict(told)?.lines?.find(({ requirementId }) => requirementId === "exit-gate-paths")).toMatchObject({
      state: "LINE_STATE_FAILED",
      detail: expect.stringMatching(/test\/.*repository.*test\/\*\*/s),
      remedy: expect.stringMatching(/./),
    });
  });

  it("leaves evidence of that end, what was changed included, and no provenance", () => {
    const kinds = attestations(told).map(({ kind, outcome }) => [kind, outcome]);
    expect(kinds).toEqual(
      expect.arrayContaining([
        ["agent-run", "FAILED"],
        ["vsa", "FAILED"],
      ]),
    );
    expect(kinds.map(([kind]) => kind)).not.toContain("provenance");
    expect(told.find(({ event }) => event === "patch")?.patch).toMatch(/^diff --git a\/test\//);
  });

  it("raises an impediment at the Scrum service, which holds nothing final of the run", () => {
    const { held } = told.find(({ event }) => event === "scrum") as unknown as { held: Held };
    const raised = held.impediments.find(({ runIds }) => runIds.includes(runOf(told)));
    expect(raised?.lines.map(({ requirementId }) => requirementId)).toContain("exit-gate-paths");
    expect(held.increments.flatMap(({ evidence }) => evidence.map(({ runId }) => runId))).not.toContain(runOf(told));
    expect(held.done.flatMap(({ records }) => records.map(({ runId }) => runId))).not.toContain(runOf(told));
    expect(held.provisional).toEqual([]);
  });

  it("tells people the same lines, without colour, when there is no terminal", async () => {
    const { stdout } = await automation("demo", "--failing", "--state", stack.dir);
    expect(stdout).toMatch(/✗ exit-gate-paths: failed: .*remedy: /);
    expect(stdout).not.toContain("\u001b");
  });
});

describe("an exported run", () => {
  let folder: string;
  let file: string;
  const scratch = ["--tenant", "scratch", "--org", "retail"];
  const reproduce = (name: string, ...whom: string[]) =>
    automation(
      ...["run", "reproduce", join(folder, name), ...(whom.length === 0 ? scratch : whom)],
      ...["--state", stack.dir, "--json"],
    );
  const exportTo = (run: string, out: string) =>
    automation("run", "export", run, "--out", out, ...acme, "--state", stack.dir);
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "automation-export-"));
    file = join(folder, "run.json");
    expect(await exportTo(runOf(stack.told), file)).toMatchObject({ code: 0, stderr: "" });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is the same bytes each time, checked by its digest, and holds no credential of the stack", async () => {
    const { stdout } = await automation("run", "export", runOf(stack.told), ...acme, "--state", stack.dir);
    const text = readFileSync(file, "utf8");
    expect(stdout).toBe(text);
    const { s3AccessKeyId: _public, ...secrets } = JSON.parse(readFileSync(folderOf(stack.dir).secretsFile, "utf8"));
    expect(Object.values(secrets as Record<string, string>).filter((secret) => text.includes(secret))).toEqual([]);
  });

  it("is reproduced in a scratch tenant, alike in everything but what was changed in the file, which is told", async () => {
    const changed = JSON.parse(readFileSync(file, "utf8"));
    changed.described.verdict.passed = false;
    writeFileSync(join(folder, "changed.json"), JSON.stringify(changed));
    const { code, stdout, stderr } = await reproduce("changed.json");
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/"code":"differs"/) });
    const facts = objects<{ fact: string; same?: boolean }>(stdout).filter(({ fact }) => fact !== undefined);
    expect(facts.filter(({ same }) => !same)).toEqual([
      { fact: "verdict", same: false, exported: "not passed", reproduced: "passed" },
    ]);
    expect(facts.map(({ fact }) => fact)).toEqual(
      expect.arrayContaining([
        "status",
        "definition",
        "profile",
        "base commit",
        "policy",
        "persona of fix",
        "step unit",
        "tests of unit",
        "tree",
        "requirement tests-passed",
        "artifact changes.patch",
      ]),
    );
    const events = objects<RunEventJson>(stdout).filter(({ sequence }) => sequence !== undefined);
    expect(events.every(({ context }) => context?.tenant === "scratch")).toBe(true);
    expect(
      events.filter(({ handoff }) => handoff !== undefined),
      "nobody is told",
    ).toEqual([]);
  });

  it("is refused where it would be mixed with the real runs, and where the operator allows nothing", async () => {
    const { code, stderr } = await reproduce("run.json", ...acme);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/--tenant acme: .*for trying only/) });
    const none = await reproduce("run.json", "--tenant", "nobodys", "--org", "retail");
    expect(none).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/invalid_argument.*workspaces.repositories.roots/),
    });
  });

  it("is not made of a run that is unknown, nor over another file", async () => {
    const unknown = await exportTo("00000000-0000-0000-0000-000000000000", join(folder, "unknown.json"));
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringMatching(/is not known here.*run list/) });
    const again = await exportTo(runOf(stack.told), file);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/run.json.*there already/) });
  });
});

it("a second start, on NATS in place of Kafka, keeps the data, uses a new event and exits 0 once its run COMPLETED", async () => {
  const before = runOf(stack.told);
  expect(await stack.stop()).toBe(130);
  const { code, stdout, stderr } = await automation(
    ...["up", "--demo", "--bus", "nats"],
    ...["--once", "--state", stack.dir, "--json"],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const again = objects<ToldEvent>(stdout);
  expect(statuses(again).at(-1)).toBe("COMPLETED");
  const processes = again.find(({ event }) => event === "ready")?.memory as { process: string }[];
  expect(processes.map(({ process }) => process)).toContain("nats");
  expect(processes.map(({ process }) => process)).not.toContain("kafka");
  expect(runOf(again)).not.toBe(before);
  expect(linesOf(again), "prints nothing that needs the stack, which is gone").toEqual([
    `npx automation up --demo --bus nats --state ${stack.dir}`,
  ]);
});
