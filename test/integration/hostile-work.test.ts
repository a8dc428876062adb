import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromJson, toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { ChangeJson, RunPinsJson } from "../../src/gen/automation/v1/run_work_pb.ts";
import { UploadSchema, WorkReportSchema } from "../../src/gen/automation/v1/run_work_pb.ts";
import { ExecutionSchema } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { PrepareSealResponseSchema } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { askApi } from "../../workers/workspace/activities/run-api.ts";
import { createBeginRun } from "../support/builders/begun-run.ts";
import type { Sent } from "../support/builders/worked-run.ts";
import { makeWork, uploadOf, worked } from "../support/builders/worked-run.ts";
import type { ApiClient, RunningApi } from "../support/worlds/api.ts";
import { startApi } from "../support/worlds/api.ts";
import { ran } from "../support/worlds/sealing.ts";

let api: RunningApi;
let worker: ApiClient;
let made: ReturnType<typeof makeWork>;
const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const callLimitMs = 110_000;

beforeAll(async () => {
  made = makeWork();
  api = await startApi();
  worker = await api.clientOf({ roles: ["worker"] });
});
afterAll(async () => {
  made?.remove();
  await api?.stop();
});

const blob = (digit: string) => digit.repeat(40);
const emptyBlob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
const added = (path: string, content: string): string =>
  `diff --git a/${path} b/${path}\nnew file mode 100644\nindex ${blob("0")}..${content === "" ? emptyBlob : blob("b")}\n${content}`;
const lines = (count: number, text: string) =>
  `--- /dev/null\n+++ b/long.txt\n@@ -0,0 +1,${count} @@\n${`+${text}\n`.repeat(count)}`;

/** Honest work that left another patch, or another report of its tests. */
function leaving({ patch, paths = [], report }: { patch?: string; paths?: readonly string[]; report?: string }): Sent {
  const { honest } = made;
  const text: Record<string, string | undefined> = { "changes.patch": patch, "tests/unit.xml": report };
  const changes: ChangeJson[] = paths.map((path) => ({ path, kind: "CHANGE_KIND_ADDED", mode: "100644" }));
  return {
    report: {
      ...honest.report,
      ...(patch === undefined ? {} : { capture: { ...honest.report.capture, patchSha256: sha256Hex(patch), changes } }),
      tests: honest.report.tests?.map((test) =>
        report === undefined || test.onBase ? test : { ...test, reportSha256: sha256Hex(report) },
      ),
    },
    files: honest.files.map((file) => ({ ...file, text: text[file.name] ?? file.text })),
  };
}

/** Of one file of 64 MiB that holds nothing, as git tells it. */
function sparseFile(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), "sparse-"));
  try {
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {
        maxBuffer: 64 * 1024 ** 2,
      }).toString("latin1");
    git("init", "-q");
    git("commit", "-q", "--allow-empty", "-m", "base");
    writeFileSync(join(dir, name), Buffer.alloc(64 * 1024 ** 2));
    git("add", "-A");
    return git("diff", "--binary", "--full-index", "-M", "--cached");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const deep = (leaf: number) => `${"a/".repeat(100)}${leaf}`;
const deny = Array.from({ length: 200 }, (_, at) => `${"**/".repeat(160)}${at}`);
const hostile: readonly (readonly [string, () => { sent: Sent; deny?: readonly string[] }, readonly string[]])[] = [
  [
    "200 deny patterns of 160 ** and 80 deep files",
    () => {
      const paths = Array.from({ length: 80 }, (_, at) => deep(at));
      return { sent: leaving({ patch: paths.map((path) => added(path, "")).join(""), paths }), deny };
    },
    ["exit-gate-paths"],
  ],
  [
    "ten sparse files of 64 MiB",
    () => {
      const one = sparseFile("0.bin");
      const paths = Array.from({ length: 10 }, (_, at) => `${at}.bin`);
      return { sent: leaving({ patch: paths.map((path) => one.replaceAll("0.bin", path)).join(""), paths }) };
    },
    ["changed", "exit-gate-size", "exit-gate-patch"],
  ],
  [
    "4 MiB of short lines",
    () => ({ sent: leaving({ patch: added("long.txt", lines(2_000_000, "")), paths: ["long.txt"] }) }),
    [],
  ],
  [
    "nested names in a report",
    () => {
      const depth = 60;
      const open = Array.from({ length: depth }, () => `<testsuite name="${"n".repeat(50_000)}">`).join("");
      const cases = '<testcase name="a"/>'.repeat(50_000);
      return { sent: leaving({ report: `<testsuites>${open}${cases}${"</testsuite>".repeat(depth)}</testsuites>` }) };
    },
    ["tests-passed", "tests-kept-unit"],
  ],
];

describe("work that is made to take long", () => {
  it.each(hostile)(
    "is judged truthfully or refused by name, while the api answers others: %s",
    async (_, make, failing) => {
      const { sent, deny = [] } = make();
      const { scope, execution } = await begun(deny);
      await put(execution, sent);
      const running = complete(execution, sent);
      let answers = 0;
      const isDone = running.then(
        () => true,
        () => true,
      );
      while (!(await Promise.race([isDone, new Promise<false>((next) => setTimeout(next, 5, false))]))) {
        expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
        answers += 1;
      }
      await running;
      expect(answers).toBeGreaterThan(10); // the process alone takes longer to start; a loop that is held up gives one or two

      const { verdict } = toJson(PrepareSealResponseSchema, await worker.runWorker.prepareSeal({ execution }));
      const unmet = (verdict?.lines ?? []).filter(
        ({ state, requirementId }) => state !== "LINE_STATE_MET" && requirementId !== "run-completed",
      );
      expect(unmet.map(({ requirementId }) => requirementId)).toEqual(failing);
      if (failing.length > 0)
        await worker.runWorker.abortSeal({ execution, outcome: RunStatus.FAILED, cause: "verdict_failed" });
      else await worker.runWorker.commitSeal({ execution });
      const { rows } = await api.admin.query("select status from runs where run_id = $1", [scope.runId]);
      expect(rows).toEqual([{ status: failing.length > 0 ? "FAILED" : "COMPLETED" }]);
    },
  );
});

async function begun(deny: readonly string[]) {
  const policy: RunPinsJson["policy"] = {
    ...made.work.pins.policy,
    ...(deny.length === 0 ? {} : { pathDeny: [{ layer: "repository", patterns: [...deny] }] }),
    limits: { ...made.work.pins.policy?.limits, patchBytes: String(5 * 1024 ** 2) },
  };
  const work = { ...made.work, pins: { ...made.work.pins, policy } };
  const scope = await createBeginRun(api.admin)({ tenant: "acme", requirements: [ran, ...worked], context, work });
  return { scope, execution: create(ExecutionSchema, { runId: scope.runId, ...scope.execution }) };
}

type Execution = ReturnType<typeof create<typeof ExecutionSchema>>;
const uploadsOf = ({ files }: Sent) => files.map((file) => fromJson(UploadSchema, uploadOf(file)));

async function put(execution: Execution, sent: Sent): Promise<void> {
  const asked = { execution, attempt: { segment: 1, number: 1 }, uploads: uploadsOf(sent) };
  const { grants } = await worker.runWorker.createArtifactUploads(asked);
  for (const [index, { present, url, headers }] of grants.entries())
    if (!present) await fetch(url, { method: "PUT", headers, body: sent.files[index]?.text });
}

/** As a worker does it: a call that takes too long is asked again, and finds the first one running. */
function complete(execution: Execution, sent: Sent): Promise<unknown> {
  const told = { execution, report: fromJson(WorkReportSchema, sent.report), uploads: uploadsOf(sent) };
  const ask = () => worker.runWorker.completeArtifactUploads(told, { timeoutMs: 20_000 });
  return askApi(ask, AbortSignal.timeout(callLimitMs));
}
