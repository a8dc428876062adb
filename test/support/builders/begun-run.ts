import { randomUUID } from "node:crypto";
import type pg from "pg";
import { sha256Hex } from "../../../src/artifacts/blobs.ts";
import { createInScope } from "../../../src/drivers/postgres/in-scope.ts";
import type { AutomationPlanJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { MethodologyContextJson } from "../../../src/gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { GateJson, ProfileJson, RequirementJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import { deriveReferences } from "../../../src/methodology/context-references.ts";
import { createInRun } from "../../../src/runs/in-run.ts";
import { newRun } from "../../../src/runs/new-run.ts";
import { insertRuns } from "../../../src/runs/new-run-store.ts";
import { admitExecution, findStartCapability, keepBaseCommit } from "../../../src/runs/run-store.ts";
import type { SealScope } from "../../../src/seal/run-so-far.ts";
import { canonicalJson } from "../../../src/text/canonical-json.ts";
import { beginAttempt } from "../../../src/work/begin-attempt.ts";

/** A run that has begun, with its pinned profile. */
export const createBeginRun =
  (admin: pg.Pool) =>
  async (what: {
    tenant: string;
    org?: string;
    requirements: RequirementJson[];
    receiver?: string;
    context: MethodologyContextJson;
    /** For a run that works in boxes. */
    work?: { plan: AutomationPlanJson; pins: RunPinsJson; baseCommit: string };
    /** Which attempt of its work a worker has taken up; 0: none. */
    attempt?: number;
  }): Promise<SealScope> => {
    const { tenant, org = "retail", requirements, receiver, context, work, attempt = 1 } = what;
    const inScope = createInScope(admin);
    const now = () => new Date();
    const runId = randomUUID();
    const scope = { tenant, org, runId };
    const profile: ProfileJson = {
      id: "team",
      version: sha256Hex(canonicalJson({ requirements, receiver: receiver ?? "" })).slice(0, 8),
      method: "scrum",
      gates: [notJudged, { id: "definition_of_done", requirements }],
      completionGate: "definition_of_done",
      ...(receiver === undefined ? {} : { handoff: { receiver, onRefusal: "REFUSAL_POLICY_FAIL" } }),
    };
    const run = newRun(
      {
        ...scope,
        requestId: randomUUID(),
        source: "urn:test",
        eventId: randomUUID(),
        definitionId: "evidence",
        definitionVersion: work === undefined ? "1" : runId,
        definitionDigest: sha256Hex("{}"),
        profileId: "team",
        profileVersion: profile.version ?? "",
        profileDigest: sha256Hex(canonicalJson(profile)),
        ruleId: null,
        ruleVersion: null,
        fairnessKey: "",
        rerunOf: null,
        method: "scrum",
        workKind: "story",
        cadenceId: "S-7",
        references: deriveReferences(context).references,
        requested: { profile: { id: profile.id }, context, workKind: "story", goal: "attach evidence" },
        pins: work?.pins ?? null,
        shown: { goal: "attach evidence", personas: [] },
        queueKeys: [],
        priority: 3,
        correlationId: "corr-1",
        traceparent: null,
        tracestate: null,
        queueLimitSeconds: 86_400,
        workLimitSeconds: 3_600,
        handoffLimitSeconds: 259_200,
        deadlineAt: null,
      },
      now(),
    );
    await admin.query(
      `insert into methodology_profiles (tenant, profile_id, version, profile, digest, published_by) values ($1, $2, $3, $4, $5, 'admin')
     on conflict do nothing`,
      [tenant, profile.id, profile.version, profile, run.run.profileDigest],
    );
    if (work !== undefined)
      await admin.query(
        `with d as (insert into workflow_definitions (tenant, definition_id) values ($1, 'evidence') on conflict do nothing)
       insert into workflow_versions (tenant, definition_id, version, plan, digest, published_by) values ($1, 'evidence', $2, $3, $4, 'admin')`,
        [tenant, runId, work.plan, run.run.definitionDigest],
      );
    await inScope(scope, (transaction) => insertRuns(transaction, [run]));
    const execution = { generation: 1, firstExecutionRunId: "first" };
    await createInRun({ inScope, now })(scope, async (open) => {
      const begunAt = now();
      const startCapability = await findStartCapability(open.transaction, scope);
      await admitExecution(open.transaction, scope, { ...execution, startCapability, begunAt });
      await open.moveTo("ADMITTED", "admit");
      await open.moveTo("PREPARING", "begin/1");
      if (work === undefined) return;
      if (attempt > 0) await beginAttempt(open, { segment: 1, number: attempt }, undefined, begunAt);
      await keepBaseCommit(open.transaction, scope, work.baseCommit);
    });
    return { ...scope, execution };
  };

/** A gate that no run could pass, and that no run is judged at. */
const notJudged: GateJson = {
  id: "release",
  requirements: [{ id: "documented", kind: "document", minCount: 100, remedy: "Keep them." }],
};
