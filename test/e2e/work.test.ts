import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { folderOf } from "../../local/up/state-folder.ts";
import type { ArtifactJson } from "../../src/gen/automation/v1/artifact_pb.ts";
import type { RunEventJson } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { DescribeWorkflowRunResponseJson } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { RunningStack } from "../support/engines/stack.ts";
import { automation, newStateDir, objects, removeStateDir, startStack } from "../support/engines/stack.ts";
import { notedProcesses } from "../support/engines/up.ts";
import { leftOfBoxes, must, publishWork, startWork } from "../support/worlds/work-scene.ts";

/** Says all it can find out, in every way it has, and leaves it in the workspace too. */
const looker = `
import { execSync } from "node:child_process";
import { writeFileSync, writeSync } from "node:fs";
const seen = execSync("env; cat /proc/*/environ /proc/*/cmdline 2>&1 | tr '\\\\0' '\\\\n'; ls -laR / --ignore=proc --ignore=usr --ignore=sys 2>&1 | head -c 100000", { encoding: "utf8" });
console.log(seen);
console.error(seen);
writeSync(3, JSON.stringify({ type: "message", text: seen.slice(0, 30000) }) + "\\n");
writeFileSync("/workspace/src/seen.txt", seen);
`;
const sleeper = `
process.on("SIGTERM", () => undefined);
import { writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/half-done.js", "export const half = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "asleep" }) + "\\n");
setTimeout(() => undefined, 600_000);
`;

let stack: RunningStack;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "automation-work-"));
  stack = await startStack(newStateDir(), "--demo");
  await publishWork(stack.dir, "looker", looker);
  await publishWork(stack.dir, "sleeper", sleeper, { more: [] });
});
afterAll(async () => {
  await stack?.stop();
  if (stack !== undefined) removeStateDir(stack.dir);
  rmSync(scratch, { recursive: true, force: true });
});

const eventsOf = async (runId: string) => objects<RunEventJson>(await watched(runId));
const watched = async (runId: string) =>
  (await automation("run", "watch", runId, "--tenant", "acme", "--org", "retail", "--state", stack.dir, "--json"))
    .stdout;
const describeRun = async (runId: string) =>
  JSON.parse(await must(stack.dir, "run", "describe", runId, "--json")) as DescribeWorkflowRunResponseJson;

describe("work on the local stack", () => {
  it("keeps its credentials from a persona that looks everywhere, and from all that is stored and logged", async () => {
    const runId = await startWork(stack.dir, "looker");
    await watched(runId);
    expect((await describeRun(runId)).run?.status).toBe("RUN_STATUS_COMPLETED");
    const { secretsFile, workerToken, scrumToken, runArea } = folderOf(stack.dir);
    const { s3AccessKeyId: _public, ...credentials } = JSON.parse(readFileSync(secretsFile, "utf8"));
    const secrets = [
      ...Object.values(credentials as Record<string, string>),
      readFileSync(workerToken, "utf8").trim(),
      readFileSync(scrumToken, "utf8").trim(),
    ];
    const patterns = join(scratch, "secrets");
    writeFileSync(patterns, `${secrets.join("\n")}\n`);
    const folders = [join(stack.dir, "data"), join(stack.dir, "logs"), runArea];
    const found = spawnSync("grep", ["-rlaF", "-f", patterns, ...folders], { encoding: "utf8" });
    expect({ status: found.status, files: found.stdout }).toEqual({ status: 1, files: "" });
    const said = (await eventsOf(runId)).map((event) => event.message?.text ?? "").join("\n");
    expect(said).toContain("HOME=/home/persona"); // it did look
  });

  it("is done by a process that holds no credential but its token for the api", () => {
    const pid = notedProcesses(stack.dir).get("workspace")?.pid;
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    const secrets = Object.values(
      JSON.parse(readFileSync(folderOf(stack.dir).secretsFile, "utf8")) as Record<string, string>,
    );
    expect(secrets.filter((secret) => environment.includes(secret))).toEqual([]);
    const names = environment.split("\0").flatMap((line) => /^AUTOMATION_(\w+)=/.exec(line)?.[1] ?? []);
    expect(names.toSorted()).toEqual([
      "API_URL",
      "HEALTH_ADDRESS",
      "REPOSITORY_HOSTS",
      "REPOSITORY_ROOTS",
      "RUN_AREA",
      "TEMPORAL_ADDRESS",
      "TEMPORAL_NAMESPACE",
      "TOKEN_FILE",
    ]);
  });

  it("leaves artifacts that are checked by their digest on the way out", async () => {
    const runId = String(stack.told.find(({ event }) => event === "run")?.runId);
    const artifacts = objects<ArtifactJson>(await must(stack.dir, "artifact", "list", "--run", runId, "--json"));
    expect(artifacts.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "changes.json",
        "changes.patch",
        "events.ndjson",
        "evidence.json",
        "tests/base/unit.xml",
        "tests/unit.xml",
        "transcript/fix.ndjson",
      ]),
    );
    const patch = artifacts.find(({ name }) => name === "changes.patch");
    const out = join(scratch, "changes.patch");
    await must(stack.dir, "artifact", "get", patch?.id ?? "", "--out", out);
    expect(createHash("sha256").update(readFileSync(out)).digest("hex")).toBe(patch?.sha256);
  });

  it("is refused before it starts, with every reason at once", async () => {
    const file = join(scratch, "impossible.yaml");
    writeFileSync(
      file,
      `kind: WorkflowDefinition
spec:
  definitionId: impossible
  version: "1"
  channel: stable
  plan:
    steps:
      - id: who
        agent: { persona: { id: nobody } }
      - id: what
        command: { argv: [rm, -rf, /] }
    policy: { commands: { allow: { patterns: [node] } } }
`,
    );
    await must(stack.dir, "apply", "-f", file);
    const asked = [
      "--profile",
      "worked",
      "--definition",
      "impossible",
      "--context",
      "{scrum: {backlogItems: [PBI-1]}}",
    ];
    const where = ["--repository", "nowhere", "--ref", "-x", "--tenant", "acme", "--org", "retail"];
    const { code, stderr } = await automation("run", "start", ...asked, ...where, "--state", stack.dir);
    expect(code).toBe(1);
    for (const reason of [
      "unknown_repository",
      "invalid_ref",
      "unknown_persona",
      "command_denied",
      "nobody",
      "nowhere",
      "plan",
    ])
      expect(stderr).toContain(reason);
  });

  it("is not exported before its end; stops when the run is cancelled, also when the persona ignores it, and keeps what was made", async () => {
    const runId = await startWork(stack.dir, "sleeper");
    await untilAsleep(runId);
    const early = await automation("run", "export", runId, "--tenant", "acme", "--org", "retail", "--state", stack.dir);
    expect(early).toMatchObject({ code: 1, stderr: expect.stringMatching(/has not ended: it is RUNNING.*run watch/) });
    await must(stack.dir, "run", "cancel", runId, "--reason", "no longer wanted");
    await watched(runId);
    const { run } = await describeRun(runId);
    expect(run?.status).toBe("RUN_STATUS_CANCELLED");
    const artifacts = objects<ArtifactJson>(await must(stack.dir, "artifact", "list", "--run", runId, "--json"));
    expect(artifacts.map(({ name }) => name)).toContain("changes.patch");
  });

  it("ends TIMED_OUT at the limit of its work, and keeps what was made", async () => {
    await publishWork(stack.dir, "late", sleeper, { more: [], timeLimit: "10s" });
    const runId = await startWork(stack.dir, "late");
    await watched(runId);
    const { run } = await describeRun(runId);
    expect(run?.status).toBe("RUN_STATUS_TIMED_OUT");
    expect(run?.reason).toMatch(/^its work took longer than its limit of 10 s/);
    const artifacts = objects<ArtifactJson>(await must(stack.dir, "artifact", "list", "--run", runId, "--json"));
    expect(artifacts.map(({ name }) => name)).toContain("changes.patch");
  });

  it("leaves no process, mount or folder behind", async () => {
    await vi.waitFor(() => expect(leftOfBoxes(stack.dir)).toEqual([]), { timeout: 60_000 });
  });
});

/** Waits until the persona has said that it sleeps. */
async function untilAsleep(runId: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { run } = await describeRun(runId);
      expect(run?.status).toBe("RUN_STATUS_RUNNING");
      expect(Number(run?.lastSequence)).toBeGreaterThanOrEqual(6); // admitted, preparing, workspace, running, step, message
    },
    { timeout: 60_000, interval: 200 },
  );
}
