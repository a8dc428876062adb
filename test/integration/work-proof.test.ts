import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createArtifactUrl } from "../../src/artifacts/artifact-url.ts";
import { objectKeyOf, sha256Hex } from "../../src/artifacts/blobs.ts";
import { createListArtifacts } from "../../src/artifacts/list-artifacts.ts";
import type { ObjectStore } from "../../src/artifacts/object-store.ts";
import type { CliError } from "../../src/cli/cli-error.ts";
import { writeArtifact } from "../../src/cli/commands/artifact.ts";
import type { VerdictLineJson } from "../../src/gen/automation/v1/verdict_pb.ts";
import { ListElementsRequestSchema } from "../../src/gen/graph/v1/graph_service_pb.ts";
import { createListElements } from "../../src/graph/list-elements.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { Sent } from "../support/builders/worked-run.ts";
import { complete, makeWork, otherReport, suite, worked } from "../support/builders/worked-run.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { baseUri, ran, startSealing } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;
let made: ReturnType<typeof makeWork>;

const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const begin = (tenant = "acme") =>
  sealing.beginRun({ tenant, requirements: [ran, ...worked], context, work: made.work });
const artifactsOf = async ({ tenant, runId }: SealScope) =>
  (await createListArtifacts(sealing)(scopeOf(tenant), runId)).artifacts ?? [];
const treeSubjects = () => [
  { name: "commit", digest: { gitCommit: made.captured.commit } },
  { name: "tree", digest: { gitTree: made.captured.tree } },
];
const withReport = (text: string) => otherReport(made.honest, text);

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

describe("a run whose work holds", () => {
  let scope: SealScope;
  let statements: Awaited<ReturnType<typeof look.proofOf>>["statements"];
  let logSha256: string;
  beforeAll(async () => {
    scope = await begin("proof-tenant");
    await complete(seal, scope, made.honest);
    expect(await artifactsOf(scope)).toEqual([]);
    const { verdict } = await seal.prepare(scope);
    expect(verdict?.lines?.filter(({ state }) => state !== "LINE_STATE_MET")).toEqual([]);
    expect(await artifactsOf(scope)).toEqual([]);
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
    ({ statements, logSha256 } = await look.proofOf(scope));
  });

  it("has one statement for each piece of evidence, about that piece and the one tree", () => {
    expect(
      Object.fromEntries(Object.entries(statements).map(([kind, { statement }]) => [kind, statement.subject])),
    ).toEqual({
      "agent-run": [{ name: "events.ndjson", digest: { sha256: logSha256 } }, ...treeSubjects()],
      vsa: [{ name: "events.ndjson", digest: { sha256: logSha256 } }, ...treeSubjects()],
      provenance: [{ name: "changes.patch", digest: { sha256: sha256Hex(made.patch) } }, ...treeSubjects()],
      diff: [{ name: "changes.patch", digest: { sha256: sha256Hex(made.patch) } }, ...treeSubjects()],
      "test-result": [{ name: "tests/unit.xml", digest: { sha256: sha256Hex(made.green) } }, ...treeSubjects()],
      document: [{ name: "documents/docs/note.md", digest: { sha256: sha256Hex(made.note) } }, ...treeSubjects()],
    });
  });

  it("states what its tests said, by the report that was read", () => {
    expect(statements["test-result"]?.statement).toMatchObject({
      predicateType: "https://in-toto.io/attestation/test-result/v0.1",
      predicate: {
        result: "PASSED",
        configuration: [
          { name: "tests/unit.xml", mediaType: "application/xml", digest: { sha256: sha256Hex(made.green) } },
        ],
        passedTests: ["adds"],
        failedTests: [],
        [`${baseUri}/test-run/v1`]: { counts: { passed: 1, skipped: 1 }, skippedTests: ["later"], erroredTests: [] },
      },
    });
  });

  it("states what it worked on, with and in, and who saw each of that", () => {
    const facts = statements["agent-run"]?.statement.predicate as Record<string, unknown>;
    expect(facts).toMatchObject({
      base: { repository: "webshop", ref: "main", digest: { gitCommit: made.base.commit } },
      personas: [{ step: "fix", digest: { sha256: sha256Hex("persona") } }],
      policy: { digest: { sha256: made.work.pins.policyDigest } },
      segments: [
        {
          segment: 1,
          attempt: 1,
          steps: [{ step: "fix", state: "DONE" }, { step: "unit" }, { step: "note" }],
          capture: { digest: { gitTree: made.captured.tree }, changedFiles: 2, partial: false },
          sandbox: { class: "ISOLATION_CLASS_UID", claims: [{ id: "network", held: true }] },
        },
      ],
    });
    const { vantage, ...groups } = facts;
    expect(Object.keys(vantage as object).sort()).toEqual(Object.keys(groups).sort());
  });

  it("has provenance from its base and its personas, by the class of its boxes", () => {
    expect(statements.provenance?.statement.predicate).toMatchObject({
      buildDefinition: {
        resolvedDependencies: [
          { name: "base", uri: "git+https://git.example/webshop.git@main", digest: { gitCommit: made.base.commit } },
          { name: "persona/fix", digest: { sha256: sha256Hex("persona") } },
          { name: "definition" },
          { name: "profile" },
        ],
      },
      runDetails: { builder: { id: `${baseUri}/builder/uid/proof-tenant` } },
    });
  });

  it("has a verdict whose lines cite the statements of the kind that they ask for", () => {
    const predicate = (statements.vsa?.statement.predicate ?? {}) as Record<string, VerdictLineJson[]>;
    const lines = predicate[`${baseUri}/verdict-lines/v1`] ?? [];
    const cited = Object.fromEntries(lines.map((line) => [line.requirementId, line.evidenceSha256]));
    const digest = (kind: string) => [statements[kind]?.statementSha256];
    expect(cited).toMatchObject({
      "run-completed": digest("agent-run"),
      "tests-passed": digest("test-result"),
      changed: digest("diff"),
      noted: digest("document"),
    });
    expect(Object.keys(cited)).toEqual(expect.arrayContaining(["steps-done", "exit-gate-paths", "tests-kept-unit"]));
  });

  it("has evidence with an id, the tree that it is about, who states it and when, and its lines cite those ids", async () => {
    const { rows } = await sealing.admin.query(
      `select f.findings->'evidence' as evidence, v.verdict->'lines' as lines
       from work_findings f join verdicts v using (tenant, run_id) where run_id = $1`,
      [scope.runId],
    );
    const tree = { gitCommit: made.captured.commit, gitTree: made.captured.tree };
    const told = {
      vantage: "worker-observed",
      tree,
      issuer: `${baseUri}/builder/uid/proof-tenant`,
      at: expect.stringMatching(/^20.*Z$/),
    };
    expect(rows[0].evidence).toMatchObject([
      { id: "test-result/unit", outcome: "PASSED", ...told },
      { id: "diff", outcome: "CAPTURED", ...told },
      { id: "document/note", outcome: "KEPT", ...told },
    ]);
    const cited = rows[0].lines.map(({ requirementId, evidenceIds }: VerdictLineJson) => [requirementId, evidenceIds]);
    expect(Object.fromEntries(cited)).toMatchObject({
      "run-completed": ["agent-run"],
      "tests-passed": ["test-result/unit"],
      changed: ["diff"],
      noted: ["document/note"],
    });
  });

  it("is found by the digest of its patch", async () => {
    const found = await look.list("proof-tenant", { subjectSha256: sha256Hex(made.patch) });
    expect(found.map(({ name }) => name).sort()).toEqual(["diff", "provenance"]);
  });

  it("lists everything it left, under its kind", async () => {
    expect((await artifactsOf(scope)).map(({ name, kind }) => [name, kind])).toEqual([
      ["changes.patch", "patch"],
      ["documents/docs/note.md", "document"],
      ["events.ndjson", "event_log"],
      ["logs/fix.log", "log"],
      ["tests/base/unit.xml", "report"],
      ["tests/unit.xml", "report"],
    ]);
  });

  it("is a change set and a document in the graph, evidence of the item, with a version per run", async () => {
    const again = await begin("proof-tenant");
    await complete(seal, again, made.honest);
    await seal.prepare(again);
    await seal.commit(again);
    const request = create(ListElementsRequestSchema, { reference: { kind: "backlog_item", id: "B-1" } });
    const { elements = [] } = await createListElements(sealing)(request, scopeOf("proof-tenant"));
    expect(
      Object.fromEntries(
        elements.map(({ typeKey, latest }) => [
          typeKey,
          [latest?.version, latest?.attachments?.map(({ name }) => name)],
        ]),
      ),
    ).toEqual({
      "ameide:change-set": [2, ["changes.patch"]],
      "ameide:document": [2, ["docs/note.md"]],
      "ameide:evidence": [
        2,
        ["events.ndjson", "agent-run", "diff", "document/note", "provenance", "test-result/unit", "vsa"],
      ],
    });
  });
});

/** Without what follows from it: that the run did not complete. */
const unmetOf = (lines: readonly VerdictLineJson[] = []) =>
  lines.filter(({ requirementId, state }) => state !== "LINE_STATE_MET" && requirementId !== "run-completed");

describe("a run whose work does not hold", () => {
  const end = async (work: Sent) => {
    const scope = await begin();
    await complete(seal, scope, work);
    const { verdict } = await seal.prepare(scope);
    expect(verdict?.passed).toBe(false);
    expect(await look.statuses(scope)).toEqual([]);
    await seal.abort(scope, { outcome: "FAILED", cause: "verdict_failed", reason: "the verdict did not pass" });
    return { scope, unmet: unmetOf(verdict?.lines) };
  };

  it("keeps its patch, report and logs, states what failed, and has no provenance", async () => {
    const { scope, unmet } = await end(withReport(suite('<testcase name="adds"><failure message="x"/></testcase>')));
    expect(unmet.map(({ requirementId }) => requirementId)).toEqual(["tests-passed"]);
    const { statements } = await look.proofOf(scope);
    expect(Object.keys(statements).sort()).toEqual(["agent-run", "diff", "document", "test-result", "vsa"]);
    expect(statements["test-result"]?.statement.predicate).toMatchObject({ result: "FAILED", failedTests: ["adds"] });
    expect((await artifactsOf(scope)).map(({ kind }) => kind).sort()).toEqual([
      "document",
      "event_log",
      "log",
      "patch",
      "report",
      "report",
    ]);
    const { impediment } = await seal.describe(scopeOf("acme"), scope.runId);
    expect(impediment?.summary).toMatch(/tests-passed failed: .*FAILED.* \| remedy: Mend the tests\./);
    const elements = await sealing.admin.query("select 1 from element_versions where run_id = $1", [scope.runId]);
    expect(elements.rowCount).toBe(0);
  });

  it.each<[string, string, Sent | (() => Sent)]>([
    [
      "a report of another tree",
      "tests-passed",
      () => ({
        ...made.honest,
        report: {
          ...made.honest.report,
          tests: made.honest.report.tests?.map((test) => ({ ...test, gitTree: made.base.tree })),
        },
      }),
    ],
    ["a report that nobody can read", "tests-passed", () => withReport("<testsuite")],
    ["tests that were deleted", "tests-kept-unit", () => withReport(suite('<testcase name="other"/>'))],
    [
      "changes that the patch does not hold",
      "exit-gate-patch",
      () => ({
        ...made.honest,
        report: { ...made.honest.report, capture: { ...made.honest.report.capture, changes: [] } },
      }),
    ],
  ])("does not pass with %s", async (_what, requirementId, of) => {
    const { unmet } = await end(typeof of === "function" ? of() : of);
    expect(unmet.map((line) => line.requirementId)).toContain(requirementId);
  });

  it("does not pass when no work was reported, nor when it was reported as failed", async () => {
    const scope = await begin();
    const { verdict } = await seal.prepare(scope);
    expect(verdict?.lines).toContainEqual(
      expect.objectContaining({
        requirementId: "steps-done",
        state: "LINE_STATE_FAILED",
        detail: "no work was reported",
      }),
    );
    const { report, files } = made.honest;
    const { unmet } = await end({
      report: { ...report, outcome: "WORK_OUTCOME_FAILED", cause: "gave_up", reason: "hard" },
      files,
    });
    expect(unmet).toMatchObject([{ requirementId: "steps-done", detail: "gave_up: hard" }]);
  });

  it("says so in the persona's words, marked as such, when the persona gave up", async () => {
    const scope = await begin();
    const { report, files } = made.honest;
    await complete(seal, scope, { report: { ...report, outcome: "WORK_OUTCOME_FAILED", cause: "gave_up" }, files });
    await seal.abort(scope, { outcome: "FAILED", cause: "gave_up", reason: "step fix: too hard" });
    const { statements } = await look.proofOf(scope);
    expect(statements["agent-run"]?.statement.predicate).toMatchObject({
      reason: "step fix: too hard",
      vantage: { reason: "agent-reported", outcome: "worker-observed" },
    });
  });

  it("can be ended even when its objects are gone, by what was found when they were there", async () => {
    const scope = await begin();
    await complete(seal, scope, made.honest);
    const { abort } = sealing.wire(() => undefined, { objects: { digestOf: async () => undefined } });
    await abort(scope, { outcome: "FAILED", cause: "internal", reason: "" });
    const { statements } = await look.proofOf(scope);
    expect(Object.keys(statements).sort()).toEqual(["agent-run", "diff", "document", "test-result", "vsa"]);
    expect(statements["test-result"]?.statement.predicate).toMatchObject({ result: "PASSED", passedTests: ["adds"] });
  });
});

describe("a commit", () => {
  it("does not come about when an object that a statement names is not there any more", async () => {
    const scope = await begin();
    await complete(seal, scope, made.honest);
    await seal.prepare(scope);
    const digestOf: ObjectStore["digestOf"] = async (key) =>
      key.endsWith(sha256Hex(made.green)) ? undefined : sealing.s3.digestOf(key);
    const lossy = sealing.wire(() => undefined, { objects: { digestOf } });
    expect(await lossy.commit(scope)).toEqual({
      committed: false,
      fault: expect.stringContaining(`${objectKeyOf(scope, sha256Hex(made.green))} is not there`),
    });
    expect(await look.halves(scope)).toEqual({
      registered: 0,
      status: "SEALING",
      verdicts: "COMPLETION",
      artifacts: 0,
      elements: 0,
    });
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
  });
});

describe("getting an artifact", () => {
  let dir: string;
  let url: string;
  let named: { name: string; sha256: string; sizeBytes: bigint };
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "artifact-"));
    const scope = await begin();
    await complete(seal, scope, made.honest);
    await seal.prepare(scope);
    await seal.commit(scope);
    const patch = (await artifactsOf(scope)).find(({ kind }) => kind === "patch");
    const urlOf = createArtifactUrl({ ...sealing, urlFor: sealing.s3.urlFor });
    const answer = await urlOf(scopeOf("acme"), patch?.id ?? "");
    url = answer.url ?? "";
    named = { name: "changes.patch", sha256: sha256Hex(made.patch), sizeBytes: BigInt(patch?.sizeBytes ?? 0) };
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it("writes the very bytes to a new file, and overwrites none", async () => {
    const out = join(dir, "changes.patch");
    await writeArtifact(url, named, out);
    expect(readFileSync(out, "utf8")).toBe(made.patch);
    writeFileSync(out, "mine");
    await expect(writeArtifact(url, named, out)).rejects.toThrow(/exists and is not overwritten/);
    expect(readFileSync(out, "utf8")).toBe("mine");
  });

  it.each([
    ["another digest", () => ({ ...named, sha256: sha256Hex("other") }), /has sha256 .* not .* as registered/],
    ["more bytes", () => ({ ...named, sizeBytes: named.sizeBytes - 1n }), /has more bytes, not/],
    ["fewer bytes", () => ({ ...named, sizeBytes: named.sizeBytes + 1n }), /has \d+ bytes, not/],
  ])("leaves no file when the store has %s", async (_what, said, why) => {
    const out = join(dir, "wrong");
    await expect(writeArtifact(url, said(), out)).rejects.toThrow(why);
    await expect(writeArtifact(url, said(), out)).rejects.toMatchObject({ exitCode: 1 } satisfies Partial<CliError>);
    expect([existsSync(out), existsSync(`${out}.part`)]).toEqual([false, false]);
  });
});
