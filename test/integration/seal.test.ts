import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createListArtifacts } from "../../src/artifacts/list-artifacts.ts";
import { ListElementsRequestSchema } from "../../src/gen/graph/v1/graph_service_pb.ts";
import { createListElements } from "../../src/graph/list-elements.ts";
import { createInRun, UnknownRunError } from "../../src/runs/in-run.ts";
import { RunEndedError } from "../../src/runs/run-status.ts";
import { SupersededExecutionError } from "../../src/runs/speaker.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import { SealNotReadyError } from "../../src/seal/commit-seal.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import type { InScope } from "../../src/tenancy/transaction.ts";
import { scopeOf } from "../support/builders/declared.ts";
import { hashEvent } from "../support/probes/hash-event.ts";
import { lookAt, sha256 } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { baseUri, ran, startSealing, tested } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;

const context = { scrum: { product: "shop", sprint: "S-7", goals: ["G-1"], backlogItems: ["B-1", "B-2"] } };
const failed: AbortedEnd = { outcome: "FAILED", cause: "verdict_failed", reason: "tests are missing" };
const cancelled: AbortedEnd = { outcome: "CANCELLED", cause: "cancelled", reason: "by paula" };
const begin = (requirements = [ran], tenant = "acme") => sealing.beginRun({ tenant, requirements, context });

beforeAll(async () => {
  sealing = await startSealing();
  seal = sealing.wire(() => undefined);
  look = lookAt(sealing);
});
afterAll(() => sealing?.stop());

describe("a run with a long log", () => {
  it("is sealed over all of it, read in pages while others may write to its stream", async () => {
    const scope = await begin();
    const inRun = createInRun({ inScope: sealing.inScope, now: () => new Date() });
    for (let batch = 0; batch < 5; batch += 1)
      await inRun(scope, (open) =>
        open.append(
          Array.from({ length: 60 }, (_, n) => ({
            writerKey: `work/1/1/${batch * 60 + n}`,
            message: { text: `${n} ${"ü".repeat(20_000)}` },
          })),
        ),
      );
    const free: boolean[] = [];
    const watched: InScope = async (of, work) => {
      const lock = sealing.admin.query("select from run_streams where run_id = $1 for update nowait", [scope.runId]);
      free.push(
        await lock.then(
          () => true,
          () => false,
        ),
      ); // looked at between the transactions of the seal
      return sealing.inScope(of, work);
    };
    const long = sealing.wire(() => undefined, { inScope: watched });
    await long.abort(scope, { outcome: "FAILED", cause: "internal", reason: "" });
    expect(free.length).toBeGreaterThan(5);
    expect(free).not.toContain(false);
    const { log, logSha256 } = await look.proofOf(scope);
    const events = await look.eventsOf(scope);
    expect(log.length).toBeGreaterThan(6_000_000);
    expect(Buffer.byteLength(log)).toBeGreaterThan(8 * 1024 * 1024);
    expect(sha256(log)).toBe(logSha256);
    expect(log.trimEnd().split("\n").map(sha256)).toEqual(events.slice(0, -1).map(hashEvent));
  });
});

describe("the result of a run", () => {
  it("says in short how it ended, and the same again", async () => {
    const scope = await begin([tested], "result-tenant");
    await seal.prepare(scope);
    const answer = await seal.abort(scope, { ...failed, reason: `${"tests are\u001b[2J missing ".repeat(100)}` });
    expect(answer).toMatchObject({
      outcome: "RUN_STATUS_FAILED",
      result: {
        outcome: "RUN_STATUS_FAILED",
        cause: "verdict_failed",
        verdict: {
          passed: false,
          unmet: ["tests-passed missing: 0 of 1 test-result PASSED", expect.stringMatching(/^run-completed failed: /)],
        },
        artifacts: [{ name: "events.ndjson" }],
        attestations: [
          { name: "agent-run", outcome: "FAILED" },
          { name: "vsa", outcome: "FAILED" },
        ],
      },
    });
    expect(answer.result?.reason).toMatch(/^tests are\\x1b\[2J missing /);
    expect(answer.result?.reason?.length).toBeLessThanOrEqual(500);
    expect(await seal.abort(scope, cancelled)).toEqual(answer);
  });

  it("stays small whatever a run leaves behind, and counts what it leaves out", async () => {
    const scope = await begin([ran], "result-tenant");
    await sealing.admin.query(
      `insert into artifacts (tenant, org, artifact_id, run_id, name, kind, media_type, sha256, size_bytes, object_key)
       select $1, $2, gen_random_uuid(), $3, 'documents/' || n || repeat('ü', 400), 'document', 'text/plain', repeat('0', 64), 1, 'none' from generate_series(1, 150) n`,
      [scope.tenant, scope.org, scope.runId],
    );
    const { result } = await seal.abort(scope, failed);
    expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(20_000);
    expect(result?.artifacts?.length).toBeGreaterThan(1);
    expect(result?.artifactsLeftOut).toBe(151 - (result?.artifacts?.length ?? 0));
  });

  it("tells how often its work was begun anew, and so does the impediment", async () => {
    const work = { plan: {}, pins: { segments: [{ segment: 1 }] }, baseCommit: "a".repeat(40) };
    const scope = await sealing.beginRun({ tenant: "result-tenant", requirements: [ran], context, work, attempt: 2 });
    const { result } = await seal.abort(scope, { outcome: "FAILED", cause: "gave_up", reason: "no idea" });
    expect(result?.attempts).toBe(2);
    const { impediment } = await seal.describe(scopeOf("result-tenant"), scope.runId);
    expect(impediment?.summary).toMatch(
      / ended FAILED: no idea \(attempt 2 of its work; how the one before ended: its worker was lost, or could not say why it ended\)$/,
    );
  });

  it("tells who cancelled it and why, whoever seals that end", async () => {
    const scope = await begin([ran], "result-tenant");
    await seal.cancel(scope, "wrong item");
    expect(await seal.abort(scope, cancelled)).toMatchObject({ result: { reason: "cancelled by paula: wrong item" } });
    const events = await look.eventsOf(scope);
    expect(events.at(-1)?.status).toMatchObject({
      status: "RUN_STATUS_CANCELLED",
      reason: "cancelled by paula: wrong item",
    });
  });
});

describe("a run that completes", () => {
  it("is prepared without being signed, and answers a repeated prepare with what it recorded", async () => {
    const scope = await begin();
    const answer = await seal.prepare(scope);
    expect(answer).toMatchObject({
      desiredState: "DESIRED_STATE_RUN",
      verdict: { passed: true, level: "SCRUM_DEFINITION_OF_DONE" },
    });
    expect(await seal.prepare(scope)).toEqual(answer);
    expect(await look.statuses(scope)).toEqual(["PROVISIONAL", "PROVISIONAL", "PROVISIONAL"]);
    expect(await look.list(scope.tenant, { runId: scope.runId })).toEqual([]);
    expect((await createListArtifacts(sealing)(scopeOf("acme"), scope.runId)).artifacts).toEqual([]);
    expect(await look.statusOf(scope)).toBe("SEALING");
  });

  it("ends COMPLETED with proof that verifies, over a log that is chained to the end", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    expect(await seal.deliver(scope, AbortSignal.timeout(60_000))).toMatchObject({
      progress: "HANDOFF_PROGRESS_ACCEPTED",
    });
    const answer = await seal.commit(scope);
    expect(answer).toMatchObject({
      committed: true,
      result: {
        outcome: "RUN_STATUS_COMPLETED",
        verdict: { passed: true, level: "SCRUM_DEFINITION_OF_DONE", unmet: [] },
        artifacts: [{ name: "events.ndjson", uri: `automation://acme/run/${scope.runId}/events.ndjson` }],
        attestations: [{ name: "agent-run" }, { name: "provenance" }, { name: "vsa", outcome: "PASSED" }],
      },
    });
    expect(await seal.commit(scope)).toEqual(answer);
    expect(await look.statusOf(scope)).toBe("COMPLETED");
    expect(await look.isClosed(scope)).toBe(true);

    const proof = await look.proofOf(scope);
    expect(Object.keys(proof.statements).sort()).toEqual(["agent-run", "provenance", "vsa"]);
    for (const { statement } of Object.values(proof.statements))
      expect(statement.subject).toEqual([{ name: "events.ndjson", digest: { sha256: proof.logSha256 } }]);
    const events = await look.eventsOf(scope);
    const logged = proof.log.trimEnd().split("\n");
    expect(logged).toHaveLength(events.length - 1);
    expect(events.slice(0, -1).map(hashEvent)).toEqual(logged.map(sha256));
    expect(events.at(-1)?.status?.status).toBe("RUN_STATUS_COMPLETED");
    expect(proof.statements["agent-run"]?.statement).toMatchObject({
      predicateType: `${baseUri}/agent-run/v1`,
      predicate: {
        outcome: "COMPLETED",
        eventLog: { count: logged.length, head: { sha256: sha256(logged.at(-1) ?? "") } },
      },
    });
    const inputs = ["agent-run", "provenance"].map((kind) => proof.statements[kind]?.statementSha256);
    expect(proof.statements.vsa?.statement.predicate).toMatchObject({
      verifier: { id: `${baseUri}/verifier/acme` },
      resourceUri: "automation://acme/scrum/backlog_item/B-1",
      verificationResult: "PASSED",
      verifiedLevels: ["SCRUM_DEFINITION_OF_DONE"],
      inputAttestations: inputs.map((digest) => ({ digest: { sha256: digest } })),
      [`${baseUri}/verdict-lines/v1`]: [{ state: "LINE_STATE_MET", evidenceSha256: [inputs[0]] }],
    });
  });

  it("is one evidence element per item in the graph, one version of it per run", async () => {
    const listElements = createListElements(sealing);
    const find = (kind: string, id: string) =>
      listElements(create(ListElementsRequestSchema, { reference: { kind, id } }), scopeOf("graph-tenant"));
    const runs: string[] = [];
    for (const _ of [1, 2]) {
      const scope = await begin([ran], "graph-tenant");
      await seal.prepare(scope);
      await seal.commit(scope);
      runs.push(scope.runId);
    }
    const { elements = [] } = await find("backlog_item", "B-2");
    expect(elements).toHaveLength(1);
    expect(elements[0]).toMatchObject({
      typeKey: "ameide:evidence",
      latest: { version: 2, runId: runs[1] },
      relationships: [{ target: { id: "B-1" } }, { target: { id: "B-2" } }],
    });
    expect(elements[0]?.latest?.attachments?.map((each) => each.name)).toEqual([
      "events.ndjson",
      "agent-run",
      "provenance",
      "vsa",
    ]);
    expect((await find("backlog_item", "B-3")).elements).toEqual([]);
    expect(
      (
        await listElements(
          create(ListElementsRequestSchema, { reference: { kind: "backlog_item", id: "B-2" } }),
          scopeOf("acme-2"),
        )
      ).elements,
    ).toEqual([]);
  });

  it("does not commit what was never prepared", async () => {
    await expect(seal.commit(await begin())).rejects.toThrow(SealNotReadyError);
  });
});

describe("the verdicts of a run", () => {
  const verdictsOf = async ({ runId }: SealScope) => {
    const { rows } = await sealing.admin.query(
      `select v.gate, v.judgement, v.generation, v.verdict, v.profile_digest = r.profile_digest as "isPinned"
       from verdicts v join runs r using (tenant, org, run_id) where run_id = $1 order by v.judged_at`,
      [runId],
    );
    return rows;
  };
  const judged = { gate: "definition_of_done", generation: 1, isPinned: true };

  it("are recorded with the gate, once for whether it may complete and once for the end it came to", async () => {
    const scope = await begin([ran, tested], "verdict-tenant");
    const { verdict } = await seal.prepare(scope);
    await seal.prepare(scope);
    await seal.abort(scope, failed);
    await seal.abort(scope, failed);
    expect(await verdictsOf(scope)).toMatchObject([
      { ...judged, judgement: "COMPLETION", verdict },
      { ...judged, judgement: "END", verdict: { gate: "definition_of_done", passed: false } },
    ]);
  });

  it("say of one that may complete which statements were counted, and stay when it is cancelled then", async () => {
    const scope = await begin([ran], "verdict-tenant");
    const { verdict } = await seal.prepare(scope);
    await seal.abort(scope, cancelled);
    expect(await verdictsOf(scope)).toMatchObject([
      { ...judged, judgement: "COMPLETION", verdict: { ...verdict, passed: true } },
      { ...judged, judgement: "END", verdict: { passed: false } },
    ]);
    const [counted] = verdict?.lines?.[0]?.evidenceSha256 ?? [];
    expect(counted).toMatch(/^[0-9a-f]{64}$/);
    const described = await seal.describe(scopeOf("verdict-tenant"), scope.runId);
    expect(described.verdict?.passed).toBe(false);
  });
});

describe("a run whose verdict does not pass", () => {
  it("prepares nothing, says so the same way again, and ends FAILED with its lines", async () => {
    const scope = await begin([ran, tested]);
    const answer = await seal.prepare(scope);
    expect(answer.verdict).toMatchObject({
      passed: false,
      lines: [
        { requirementId: "tests-passed", state: "LINE_STATE_MISSING", remedy: "Add a test step." },
        { requirementId: "run-completed", state: "LINE_STATE_FAILED" },
      ],
    });
    expect(await seal.prepare(scope)).toEqual(answer);
    expect(await look.statuses(scope)).toEqual([]);
    await expect(seal.commit(scope)).rejects.toThrow(SealNotReadyError);

    expect(await seal.abort(scope, failed)).toMatchObject({ outcome: "RUN_STATUS_FAILED" });
    expect(await seal.abort(scope, cancelled)).toMatchObject({ outcome: "RUN_STATUS_FAILED" });
    expect(await seal.commit(scope)).toEqual({ committed: false });
    const proof = await look.proofOf(scope);
    expect(Object.keys(proof.statements).sort()).toEqual(["agent-run", "vsa"]);
    expect(proof.statements["agent-run"]?.statement.predicate).toMatchObject({
      outcome: "FAILED",
      cause: "verdict_failed",
      reason: "tests are missing",
    });
    expect(proof.statements.vsa?.statement.predicate).toMatchObject({
      verificationResult: "FAILED",
      verifiedLevels: ["FAILED"],
      [`${baseUri}/verdict-lines/v1`]: [
        answer.verdict?.lines?.[0],
        { ...answer.verdict?.lines?.[1], evidenceSha256: [proof.statements["agent-run"]?.statementSha256] },
      ],
    });
    expect(proof.log.trimEnd().split("\n").map(sha256)).toEqual(
      (await look.eventsOf(scope)).slice(0, -1).map(hashEvent),
    );
    expect(await seal.describe(scopeOf("acme"), scope.runId)).toMatchObject({
      verdict: { passed: false },
      handoffCalls: [],
      impediment: { cause: "verdict_failed", occurrences: 1 },
    });
  });

  it("counts the same cause on the same item as one impediment, and a cancel as none", async () => {
    const describe = async (end: AbortedEnd) => {
      const scope = await begin([tested], "imp-tenant");
      await seal.abort(scope, end);
      return (await seal.describe(scopeOf("imp-tenant"), scope.runId)).impediment;
    };
    const first = await describe(failed);
    const late = { outcome: "TIMED_OUT", cause: "deadline_exceeded", reason: "" } as const;
    expect(await describe(cancelled)).toBeUndefined();
    expect(await describe(late)).toMatchObject({ cause: "deadline_exceeded", occurrences: 1 });
    expect(await describe(failed)).toMatchObject({ id: first?.id, occurrences: 2 });
  });

  it("raises none for time that went by before the work began: nothing is broken", async () => {
    const end = { outcome: "TIMED_OUT", cause: "queue_limit_exceeded", reason: "too many before it" } as const;
    const work = { plan: {}, pins: {}, baseCommit: "a".repeat(40) };
    const scope = await sealing.beginRun({ tenant: "queue-tenant", requirements: [tested], context, work, attempt: 0 });
    await seal.abort(scope, end);
    expect((await seal.describe(scopeOf("queue-tenant"), scope.runId)).impediment).toBeUndefined();
    expect(await look.statusOf(scope)).toBe("TIMED_OUT");
  });
});

describe("two orgs of a tenant with one work item", () => {
  it("have an impediment and an element each, and who reads every org sees both", async () => {
    const orgs = ["retail", "wholesale"];
    const impediments: (string | undefined)[] = [];
    for (const org of orgs) {
      const bad = await sealing.beginRun({ tenant: "two-orgs", org, requirements: [tested], context });
      await seal.abort(bad, failed);
      const { impediment } = await seal.describe({ tenant: "two-orgs", org: "*" }, bad.runId);
      expect(impediment).toMatchObject({ occurrences: 1 });
      impediments.push(impediment?.id);
      const good = await sealing.beginRun({ tenant: "two-orgs", org, requirements: [ran], context });
      await seal.prepare(good);
      await seal.commit(good);
    }
    expect(new Set(impediments).size).toBe(2);
    const find = async (org: string) =>
      (
        await createListElements(sealing)(
          create(ListElementsRequestSchema, { reference: { kind: "backlog_item", id: "B-2" } }),
          { tenant: "two-orgs", org },
        )
      ).elements ?? [];
    const [retail = [], wholesale = [], every = []] = await Promise.all([...orgs, "*"].map(find));
    for (const elements of [retail, wholesale]) expect(elements).toMatchObject([{ latest: { version: 1 } }]);
    expect(every.map(({ id }) => id).toSorted()).toEqual([...retail, ...wholesale].map(({ id }) => id).toSorted());
  });
});

describe("a run that ends otherwise", () => {
  it("discards what was prepared and states its own end, after which a commit comes too late", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    expect(await seal.abort(scope, cancelled)).toMatchObject({ outcome: "RUN_STATUS_CANCELLED" });
    expect(await look.statuses(scope)).toEqual(["DISCARDED", "DISCARDED", "DISCARDED", "REGISTERED", "REGISTERED"]);
    expect(await seal.commit(scope)).toEqual({ committed: false });
    expect(await seal.prepare(scope)).toMatchObject({ verdict: { passed: false } });
    const proof = await look.proofOf(scope);
    expect(proof.statements.vsa?.statement.predicate).toMatchObject({
      verificationResult: "FAILED",
      [`${baseUri}/verdict-lines/v1`]: [
        {
          requirementId: "run-completed",
          state: "LINE_STATE_FAILED",
          detail: "agent-run states CANCELLED, COMPLETED is required: by paula",
        },
      ],
    });
    const { artifacts = [] } = await createListArtifacts(sealing)(scopeOf("acme"), scope.runId);
    expect(artifacts.map((each) => each.sha256)).toEqual([proof.logSha256]);
  });

  it("stays COMPLETED when the commit came first", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.commit(scope);
    expect(await seal.abort(scope, failed)).toMatchObject({ outcome: "RUN_STATUS_COMPLETED" });
    expect(await look.statuses(scope)).toEqual(["REGISTERED", "REGISTERED", "REGISTERED"]);
  });
});

describe("a cancel", () => {
  it("that comes before the prepare leaves nothing prepared", async () => {
    const scope = await begin();
    await seal.cancel(scope);
    expect(await seal.prepare(scope)).toEqual({ desiredState: "DESIRED_STATE_CANCEL" });
    expect(await look.statuses(scope)).toEqual([]);
  });

  it("that comes before the commit wins", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.cancel(scope);
    expect(await seal.prepare(scope)).toMatchObject({ desiredState: "DESIRED_STATE_CANCEL" });
    expect(await seal.deliver(scope, AbortSignal.timeout(60_000))).toMatchObject({
      desiredState: "DESIRED_STATE_CANCEL",
    });
    expect(await seal.commit(scope)).toEqual({ committed: false });
    expect(await seal.abort(scope, cancelled)).toMatchObject({ outcome: "RUN_STATUS_CANCELLED" });
  });

  it("that comes after the commit is too late", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.commit(scope);
    await expect(seal.cancel(scope)).rejects.toThrow(RunEndedError);
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
  });
});

describe("an execution that does not speak for the run", () => {
  it("is refused everything", async () => {
    const scope = await begin();
    const stranger = { ...scope, execution: { generation: 1, firstExecutionRunId: "other" } };
    const signal = AbortSignal.timeout(60_000);
    for (const call of [
      () => seal.prepare(stranger),
      () => seal.deliver(stranger, signal),
      () => seal.commit(stranger),
      () => seal.abort({ ...scope, execution: { generation: 2, firstExecutionRunId: "first" } }, failed),
    ])
      await expect(call()).rejects.toThrow(SupersededExecutionError);
    await expect(seal.prepare({ ...scope, tenant: "other" })).rejects.toThrow(UnknownRunError);
    expect(await look.statusOf(scope)).toBe("PREPARING");
  });
});
