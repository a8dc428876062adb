import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AlteredObjectError, objectKeyOf, sha256Hex } from "../../src/artifacts/blobs.ts";
import { createListArtifacts } from "../../src/artifacts/list-artifacts.ts";
import type { TestRunJson, UploadJson, WorkReportJson } from "../../src/gen/automation/v1/run_work_pb.ts";
import { UnknownRunError } from "../../src/runs/in-run.ts";
import { RunEndedError } from "../../src/runs/run-status.ts";
import { SupersededExecutionError } from "../../src/runs/speaker.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { InvalidUploadsError, largestUpload } from "../../src/work/upload-rules.ts";
import { MissingUploadError } from "../../src/work/verify-uploads.ts";
import { InvalidReportError } from "../../src/work/work-report-rules.ts";
import { findWork } from "../../src/work/work-report-store.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { Sent } from "../support/builders/worked-run.ts";
import { complete, makeWork, put, uploadOf } from "../support/builders/worked-run.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;
let made: ReturnType<typeof makeWork>;

const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const begin = (tenant = "acme") => sealing.beginRun({ tenant, requirements: [ran], context, work: made.work });
const log = (change: Partial<UploadJson> = {}): UploadJson => ({
  name: "logs/a.log",
  kind: "log",
  mediaType: "text/plain",
  sha256: sha256Hex("a"),
  sizeBytes: "1",
  ...change,
});
const grant = (scope: SealScope, ...uploads: UploadJson[]) =>
  seal.grant(scope, { attempt: { segment: 1, number: 1 }, uploads });

beforeAll(async () => {
  made = makeWork();
  sealing = await startSealing();
  seal = sealing.wire(() => undefined);
  look = lookAt(sealing);
});
afterAll(async () => {
  made?.remove();
  await sealing?.stop();
});

describe("a grant to upload", () => {
  it("is for the key of the digest in the tenant of the run, and not needed for what is there", async () => {
    const scope = await begin("grant-tenant");
    const [first] = (await grant(scope, log())).grants ?? [];
    expect(new URL(first?.url ?? "").pathname).toBe(
      `/${sealing.engines.s3.bucket}/${objectKeyOf(scopeOf("grant-tenant"), sha256Hex("a"))}`,
    );
    await put(seal, scope, [{ name: "logs/a.log", kind: "log", mediaType: "text/plain", text: "a" }]);
    expect(await grant(scope, log())).toEqual({ grants: [{ sha256: sha256Hex("a"), present: true }] });
    expect(await grant(await begin("other-tenant"), log())).toMatchObject({ grants: [{ url: expect.any(String) }] });
  });

  it.each<[string, Partial<UploadJson>]>([
    ["an unknown kind", { kind: "secret" }],
    ["another place than its kind has", { name: "events.ndjson" }],
    ["an envelope's place", { kind: "patch", name: "agent-run.dsse.json" }],
    ["a way out", { name: "logs/../../a" }],
    ["an absolute path", { name: "/logs/a" }],
    ["an empty part", { name: "logs//a" }],
    ["a control character", { name: "logs/a\nb" }],
    ["a backslash", { name: "logs/a\\b" }],
    ["a name without end", { name: `logs/${"a".repeat(600)}` }],
    ["a digest that is none", { sha256: "A".repeat(64) }],
    ["a media type that is a header", { mediaType: "text/plain\r\nx-evil: 1" }],
    ["a negative size", { sizeBytes: "-1" }],
    ["a size above the limit", { sizeBytes: String(largestUpload + 1) }],
  ])("is refused for %s", async (_what, change) => {
    await expect(grant(await begin(), log(change))).rejects.toThrow(InvalidUploadsError);
  });

  it("is refused for a name that is used twice, and for too much together", async () => {
    const scope = await begin();
    await expect(grant(scope, log(), log())).rejects.toThrow(/used twice/);
    const large = [1, 2, 3, 4, 5].map((n) => log({ name: `logs/${n}`, sizeBytes: String(largestUpload) }));
    await expect(grant(scope, ...large)).rejects.toThrow(/at most 268435456 are kept/);
  });

  it("is refused to a stranger, to an attempt that was overtaken, and after the end", async () => {
    const scope = await begin();
    const stranger = { ...scope, execution: { generation: 1, firstExecutionRunId: "other" } };
    await expect(grant(stranger, log())).rejects.toThrow(SupersededExecutionError);
    await expect(grant({ ...scope, tenant: "other" }, log())).rejects.toThrow(UnknownRunError);
    await seal.grant(scope, { attempt: { segment: 1, number: 2 }, uploads: [log()] });
    await expect(grant(scope, log())).rejects.toThrow(SupersededExecutionError);
    await seal.abort(scope, { outcome: "FAILED", cause: "gave_up", reason: "" });
    await expect(seal.grant(scope, { attempt: { segment: 1, number: 3 }, uploads: [log()] })).rejects.toThrow(
      RunEndedError,
    );
  });
});

describe("completing the work", () => {
  const recorded = ({ runId }: SealScope) =>
    sealing.inScope(scopeOf("acme"), (transaction) => findWork(transaction, "acme", runId, 1));

  it("keeps the report, says what the tests said, and lists nothing yet", async () => {
    const scope = await begin();
    expect(await complete(seal, scope, made.honest)).toEqual({
      desiredState: "DESIRED_STATE_RUN",
      report: made.honest.report,
    });
    expect((await look.eventsOf(scope)).flatMap(({ tests }) => tests ?? [])).toEqual([
      { stepId: "unit", onBase: true, counts: { passed: 0, failed: 1, errored: 0, skipped: 0 }, failed: ["adds"] },
      { stepId: "unit", onBase: false, counts: { passed: 1, failed: 0, errored: 0, skipped: 1 }, failed: [] },
    ]);
    expect((await createListArtifacts(sealing)(scopeOf("acme"), scope.runId)).artifacts).toEqual([]);
    expect((await recorded(scope))?.report).toEqual(made.honest.report);
  });

  it("answers a repeated call and a later attempt with the first report, and appends nothing again", async () => {
    const scope = await begin();
    const first = await complete(seal, scope, made.honest);
    const before = await look.eventsOf(scope);
    const later = { report: { ...made.honest.report, attempt: 2 }, files: made.honest.files };
    const lost: Sent = {
      report: { segment: 1, attempt: 3, outcome: "WORK_OUTCOME_FAILED", cause: "stalled" },
      files: [],
    };
    const uploads = made.honest.files.map(uploadOf);
    const answers = await Promise.all([
      seal.complete(scope, { report: made.honest.report, uploads }),
      seal.complete(scope, { report: later.report, uploads }),
      complete(seal, scope, lost),
    ]);
    expect(answers).toEqual([first, first, first]);
    expect(await look.eventsOf(scope)).toEqual(before);
  });

  it("lets one of two reports stand that come at once, and gives it to both", async () => {
    const scope = await begin();
    await put(seal, scope, made.honest.files);
    const uploads = made.honest.files.map(uploadOf);
    const reports = ["first", "second"].map((reason) => ({ ...made.honest.report, reason }));
    const answers = await Promise.all(reports.map((report) => seal.complete(scope, { report, uploads })));
    expect(answers[0]).toEqual(answers[1]);
    expect((await look.eventsOf(scope)).filter(({ tests }) => tests !== undefined)).toHaveLength(2);
  });

  it("takes work that failed, with whatever it left", async () => {
    const scope = await begin();
    const report: WorkReportJson = {
      segment: 1,
      attempt: 1,
      outcome: "WORK_OUTCOME_FAILED",
      cause: "gave_up",
      reason: "NUL \0",
    };
    const files = made.honest.files.filter(({ kind }) => kind === "log");
    expect(await complete(seal, scope, { report, files })).toMatchObject({ report: { reason: "NUL \u2400" } });
  });

  it("refuses an attempt that was overtaken, and keeps nothing of it", async () => {
    const scope = await begin();
    await put(seal, scope, made.honest.files);
    await seal.grant(scope, { attempt: { segment: 1, number: 2 }, uploads: [log()] });
    const uploads = made.honest.files.map(uploadOf);
    await expect(seal.complete(scope, { report: made.honest.report, uploads })).rejects.toThrow(
      SupersededExecutionError,
    );
    expect(await recorded(scope)).toBeUndefined();
  });

  it("refuses what was not stored, is longer than named, or is not what its key names", async () => {
    const scope = await begin("altered-tenant");
    const uploads = made.honest.files.map(uploadOf);
    const { report } = made.honest;
    await expect(seal.complete(scope, { report, uploads })).rejects.toThrow(MissingUploadError);
    await put(seal, scope, made.honest.files);
    const longer = uploads.map((upload) => ({ ...upload, sizeBytes: String(Number(upload.sizeBytes) + 1) }));
    await expect(seal.complete(scope, { report, uploads: longer })).rejects.toThrow(InvalidUploadsError);
    const forged = Buffer.from("forged");
    const key = objectKeyOf(scopeOf("altered-tenant"), sha256Hex("true"));
    await sealing.s3.putOnce(key, forged, { sha256: sha256Hex(forged), contentType: "text/plain" });
    const altered = log({ sha256: sha256Hex("true"), sizeBytes: "6" });
    await expect(seal.complete(scope, { report, uploads: [...uploads, altered] })).rejects.toThrow(AlteredObjectError);
    expect((await look.eventsOf(scope)).some(({ tests }) => tests !== undefined)).toBe(false);
  });

  const change = (of: (report: WorkReportJson) => Partial<WorkReportJson>) => of;
  const changeTest = (to: Partial<TestRunJson>) =>
    change(({ tests = [] }) => ({ tests: tests.map((test) => ({ ...test, ...to })) }));
  it.each([
    ["outcome", change(() => ({ outcome: "WORK_OUTCOME_UNSPECIFIED" }))],
    ["cause", change(() => ({ outcome: "WORK_OUTCOME_FAILED", cause: "It broke" }))],
    ["steps.step_id", change(() => ({ steps: [{ stepId: "other", state: "STEP_STATE_DONE" }] }))],
    ["steps", change(({ steps = [] }) => ({ steps: steps.slice(1) }))],
    ["steps", change(({ steps = [] }) => ({ steps: [...steps, ...steps] }))],
    ["capture", change(() => ({ capture: undefined }))],
    ["capture.base_commit", change(({ capture }) => ({ capture: { ...capture, baseCommit: "0".repeat(40) } }))],
    ["capture.git_commit", change(({ capture }) => ({ capture: { ...capture, gitCommit: "HEAD" } }))],
    ["capture.git_tree", change(({ capture }) => ({ capture: { ...capture, gitTree: "A".repeat(40) } }))],
    ["capture.patch_sha256", change(({ capture }) => ({ capture: { ...capture, patchSha256: sha256Hex("other") } }))],
    ["capture.ref", change(({ capture }) => ({ capture: { ...capture, ref: "other" } }))],
    ["tests.step_id", changeTest({ stepId: "other" })],
    ["tests.argv", changeTest({ stepId: "fix" })],
    ["tests.argv", changeTest({ argv: ["true"] })],
    ["tests.argv", changeTest({ format: "REPORT_FORMAT_TAP" })],
    ["tests.git_tree", changeTest({ gitTree: "" })],
    ["tests.report_sha256", changeTest({ reportSha256: sha256Hex("other") })],
    ["tests", changeTest({ onBase: false })],
    ["documents.path", change(({ documents = [] }) => ({ documents: [{ ...documents[0], path: "a" }] }))],
    ["documents.sha256", change(({ documents = [] }) => ({ documents: [{ ...documents[0], sha256: "a" }] }))],
    ["sandbox", change(() => ({ sandbox: undefined }))],
    ["sandbox.isolation", change(() => ({ sandbox: { isolation: "ISOLATION_CLASS_USERNS" } }))],
  ] as const)("refuses a report whose %s is not this run's", async (field, of) => {
    const scope = await begin();
    const { report, files } = made.honest;
    const told = complete(seal, scope, { report: { ...report, ...of(report) }, files });
    await expect(told).rejects.toThrow(InvalidReportError);
    await expect(told).rejects.toThrow(`report.${field} is`);
  });
});
