import { fromJson } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findUnbegun } from "../../src/admission/admit-store.ts";
import { claimRuns } from "../../src/admission/claim-runs.ts";
import { bumpRevision } from "../../src/definitions/declaration-revision-store.ts";
import type { WorkspaceRules } from "../../src/definitions/policy/workspace-rules.ts";
import { createPublishVersion } from "../../src/definitions/publish-definition.ts";
import { createPutRepository } from "../../src/definitions/put-repository.ts";
import { createInScope, createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import type { PersonaManifestJson } from "../../src/gen/agents/v1/agents_service_pb.ts";
import type { AutomationPlanJson, TestStepJson } from "../../src/gen/automation/v1/automation_plan_pb.ts";
import type { ReasonJson } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { RunPinsJson } from "../../src/gen/automation/v1/run_work_pb.ts";
import type { RepositoryJson } from "../../src/gen/workflows_runtime/v1/repository_pb.ts";
import { RepositorySchema } from "../../src/gen/workflows_runtime/v1/repository_pb.ts";
import { PublishWorkflowVersionRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { insertPersona } from "../../src/personas/persona-store.ts";
import type { InScope } from "../../src/tenancy/transaction.ts";
import { canonicalDigest } from "../../src/text/canonical-json.ts";
import { aPrincipal, aRequest, declare, scopeOf, workspaces } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery } from "../support/worlds/accepting.ts";

const tenant = "acme";
let engines: BorrowedEngines;
let database: TestDatabase;
let dispatcher: Pool;
let inScope: InScope;
let superuser: pg.Client;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  dispatcher = database.poolOf("dispatcher");
  inScope = createInScope(database.poolOf("api"));
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await declare(inScope, tenant);
  await putRepository({ policy: { paths: { write: { patterns: ["src/**"] } } } });
  await putRepository({ id: "other", defaultRef: "trunk" });
  await putPersona("1", {});
  await putPersona("2", { isolation: "ISOLATION_CLASS_USERNS", policy: { commands: { deny: ["git push"] } } });
});

afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const putRepository = (over: RepositoryJson) =>
  createPutRepository({ inScope, bounds: { hosts: ["github.com"], roots: [] } })(
    fromJson(RepositorySchema, { id: "shop", url: "https://github.com/acme/shop", defaultRef: "main", ...over }),
    aPrincipal(tenant),
  );
const putPersona = (version: string, manifest: PersonaManifestJson) =>
  inScope(scopeOf(tenant), async (transaction) => {
    await insertPersona(transaction, tenant, {
      id: "fixer",
      version,
      digest: version.repeat(64),
      sizeBytes: 1,
      objectKey: "key",
      publishedBy: "ada",
      manifest: { id: "fixer", version, ...manifest },
    });
    await bumpRevision(transaction, tenant);
  });
const publishPlan = (definitionId: string, plan: AutomationPlanJson) =>
  createPublishVersion({ inScope })(
    fromJson(PublishWorkflowVersionRequestSchema, { definitionId, version: "1", channel: "stable", plan }),
    aPrincipal(tenant),
  );

const agent = { id: "fix", agent: { persona: { id: "fixer" } } };
const test: TestStepJson = {
  argv: ["node", "--test"],
  reportPath: "report.xml",
  format: "REPORT_FORMAT_JUNIT",
};

/** Asks for a run of the definition. @returns its pins and definite reasons */
const ask = async (id: string, over: Record<string, unknown> = {}, rules: WorkspaceRules = workspaces) => {
  const request = aRequest({ definition: { id }, workKind: "other", ...over });
  const eventId = crypto.randomUUID();
  const counts = await acceptInto(dispatcher, { workspaces: rules })([aDelivery(eventId, request)]);
  const { rows } = await superuser.query<{ reasons: ReasonJson[]; pins: RunPinsJson | null; disposition: string }>(
    "select q.reasons, q.disposition, r.pins from run_requests q left join runs r using (tenant, run_id) where q.event_id = $1",
    [eventId],
  );
  return { counts, reasons: rows[0]?.reasons ?? [], pins: rows[0]?.pins, disposition: rows[0]?.disposition };
};

describe("a request for a plan with steps", () => {
  it("pins repository, personas by digest, the policy of all layers and the isolation", async () => {
    await publishPlan("work", {
      repository: { id: "shop" },
      policy: { commands: { allow: { patterns: ["node"] } }, limits: { stepTime: "30s" } },
      steps: [agent, { id: "old", agent: { persona: { id: "fixer", version: "1" } } }, { id: "unit", test }],
    });
    const { pins } = await ask("work", {}, { ...workspaces, tenants: { acme: { commands: { deny: ["ssh"] } } } });
    expect(pins).toEqual({
      repository: { id: "shop", url: "https://github.com/acme/shop", ref: "main" },
      personas: [
        { stepId: "fix", id: "fixer", version: "2", digest: "2".repeat(64) },
        { stepId: "old", id: "fixer", version: "1", digest: "1".repeat(64) },
      ],
      policy: {
        commandAllow: [{ layer: "plan", patterns: ["node"] }],
        commandDeny: [
          { layer: "platform", patterns: ["curl"] },
          { layer: "tenant", patterns: ["ssh"] },
          { layer: "persona/fixer", patterns: ["git push"] },
        ],
        pathWrite: [{ layer: "repository", patterns: ["src/**"] }],
        pathDeny: [{ layer: "platform", patterns: [".github/workflows/**"] }],
        limits: { ...workspaces.policy.limits, stepTime: "30s" },
        isolation: "ISOLATION_CLASS_USERNS",
      },
      policyDigest: canonicalDigest(pins?.policy),
      isolation: "ISOLATION_CLASS_UID",
      segments: [{ segment: 1, stepIds: ["fix", "old", "unit"] }],
    });
  });

  it("is shown at Temporal by its goal, fit for one line and cut, and by each of its personas once", async () => {
    const again = { ...agent, id: "again" };
    await publishPlan("twice", { repository: { id: "shop" }, steps: [agent, again, { id: "unit", test }] });
    await ask("twice", { goal: `mend\n it\u202e ${"ü".repeat(8_000)}` });
    const toStart = await createInTransaction(dispatcher)(async (transaction) =>
      findUnbegun(transaction, await claimRuns(transaction, { maxUnbegun: 100, atMost: 100, weightOf: () => 1 })),
    );
    const run = toStart.find(({ definitionId }) => definitionId === "twice");
    expect(run?.personas).toEqual([{ id: "fixer", version: "2" }]);
    expect(run?.goal).toMatch(/^mend it\\u202e ü+…$/);
    expect(run?.goal.length).toBeLessThanOrEqual(500);
    expect(run).not.toHaveProperty("shown");
  });

  it("works on the repository and ref that the event names, and keeps what it pinned when that is declared anew", async () => {
    const asked = { repository: { id: "other", ref: "v1.2" } };
    const before = await ask("work", asked);
    expect(before.pins?.repository).toEqual({ id: "other", url: "https://github.com/acme/shop", ref: "v1.2" });
    await putRepository({ id: "other", url: "https://github.com/acme/elsewhere", defaultRef: "trunk" });
    expect((await ask("work", { repository: { id: "other" } })).pins?.repository).toMatchObject({
      url: "https://github.com/acme/elsewhere",
      ref: "trunk",
    });
    const { rows } = await superuser.query(
      "select count(*)::int as n from runs where pins->'repository'->>'ref' = 'v1.2' and pins->'repository'->>'url' like '%/shop'",
    );
    expect(rows[0].n).toBe(1);
  });

  it("that can't be carried out is rejected with every reason at once, each with field, rule and remedy", async () => {
    await publishPlan("impossible", {
      isolation: "ISOLATION_CLASS_UID",
      policy: { commands: { allow: { patterns: ["curl", "node --test"] } } },
      steps: [
        { id: "get", command: { argv: ["curl", "https://example.com"] } },
        { id: "make", command: { argv: ["make"] } },
        { id: "who", agent: { persona: { id: "nobody" } } },
        { id: "old", agent: { persona: { id: "fixer", version: "9" } } },
        { id: "unit", test },
      ],
    });
    const weak: WorkspaceRules = { ...workspaces, isolation: ["ISOLATION_CLASS_USERNS"] };
    const { reasons, counts, pins } = await ask("impossible", { repository: { id: "nothing" } }, weak);
    expect(counts).toMatchObject({ rejected: 1 });
    expect(pins).toBeNull();
    expect(reasons).toMatchObject([
      { code: "unknown_repository", field: "repository.id", value: "nothing" },
      { code: "unknown_persona", field: "plan.steps.2.agent.persona", value: "nobody" },
      { code: "unknown_persona", field: "plan.steps.3.agent.persona", value: "fixer@9" },
      { code: "command_denied", field: "plan.steps.0.command.argv", rule: 'layer platform denies "curl"' },
      { code: "command_denied", field: "plan.steps.1.command.argv", rule: "layer plan allows only: curl, node --test" },
      { code: "isolation_not_offered", field: "plan.isolation", value: "ISOLATION_CLASS_UID" },
    ]);
    for (const reason of reasons) expect(reason.remedy).not.toBe("");
  });

  it("without any repository, with a ref that git would refuse, or a persona whose rules mean nothing, is rejected", async () => {
    await publishPlan("homeless", { steps: [{ id: "unit", test }] });
    expect((await ask("homeless")).reasons).toMatchObject([{ code: "repository_required" }]);
    for (const ref of ["--upload-pack=x", "a..b", "a b"])
      expect((await ask("homeless", { repository: { id: "shop", ref } })).reasons).toMatchObject([
        { code: "invalid_ref", field: "repository.ref", value: ref },
      ]);
    await putPersona("3", { policy: { paths: { deny: ["{a,b}/**"] } } });
    await publishPlan("vague", { repository: { id: "shop" }, steps: [agent] });
    expect((await ask("vague")).reasons).toMatchObject([{ code: "invalid_persona_policy", value: "fixer@3" }]);
  });

  it("is rejected where the operator has no workers for boxes", async () => {
    const { reasons } = await ask("homeless", { repository: { id: "shop" } }, { ...workspaces, isolation: [] });
    expect(reasons).toMatchObject([{ code: "isolation_not_offered" }]);
  });

  it("works on a repository that is narrowed to its org, and on none of others", async () => {
    await putRepository({ id: "narrow", orgs: ["retail"] });
    expect((await ask("vague", { repository: { id: "narrow" } })).reasons).not.toMatchObject([{ code: "foreign_org" }]);
    await putRepository({ id: "narrow", orgs: ["wholesale"] });
    expect((await ask("homeless", { repository: { id: "narrow" } })).reasons).toMatchObject([
      { code: "foreign_org", field: "repository.id", value: "narrow", rule: "is not for runs of org retail" },
    ]);
  });

  it("finds no repository or persona of another tenant", async () => {
    await createPutRepository({ inScope, bounds: { hosts: ["github.com"], roots: [] } })(
      fromJson(RepositorySchema, { id: "theirs", url: "https://github.com/x/y", defaultRef: "main" }),
      aPrincipal("neighbour"),
    );
    expect((await ask("homeless", { repository: { id: "theirs" } })).reasons).toMatchObject([
      { code: "unknown_repository" },
    ]);
  });
});

it("a request for a plan without steps pins nothing, whatever repository it names", async () => {
  const { pins, disposition } = await ask("evidence", { repository: { id: "nothing" } });
  expect([pins, disposition]).toEqual([null, "accepted"]);
});
