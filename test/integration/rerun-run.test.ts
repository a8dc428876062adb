import { fromJson } from "@bufbuild/protobuf";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bumpRevision } from "../../src/definitions/declaration-revision-store.ts";
import { createDecideByDeclarations } from "../../src/definitions/declarations.ts";
import { createPublishVersion } from "../../src/definitions/publish-definition.ts";
import { createPutRepository } from "../../src/definitions/put-repository.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { RepositorySchema } from "../../src/gen/workflows_runtime/v1/repository_pb.ts";
import type { WorkflowRuleJson } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { PublishWorkflowVersionRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { insertPersona } from "../../src/personas/persona-store.ts";
import { ConflictingRequestError, createAcceptCall } from "../../src/requests/accept-call.ts";
import type { AcceptRequests } from "../../src/requests/accept-requests.ts";
import { createRerunRun } from "../../src/requests/rerun-run.ts";
import { createPutRule } from "../../src/rules/put-rule.ts";
import { createRetireRule } from "../../src/rules/retire-rule.ts";
import type { InScope } from "../../src/tenancy/transaction.ts";
import { aPrincipal, aProfile, aRequest, declare, runs, scopeOf, workspaces } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery } from "../support/worlds/accepting.ts";

const tenant = "acme";
let engines: BorrowedEngines;
let database: TestDatabase;
let inScope: InScope;
let accept: AcceptRequests;
let superuser: pg.Client;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  inScope = createInScope(database.poolOf("api"));
  accept = acceptInto(database.poolOf("dispatcher"));
  await declare(inScope, tenant);
});
afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const runOf = async (eventId: string) =>
  (await superuser.query("select * from runs where event_id = $1", [eventId])).rows[0];
const rerun = (runId: string, requestId: string, { newest = false, denied = [] as string[] } = {}) => {
  const acceptCall = createAcceptCall({
    inScope,
    decideByDeclarations: createDecideByDeclarations(),
    operator: {
      knownRoles: [],
      workspaces: { ...workspaces, tenants: { [tenant]: { commands: { deny: denied } } } },
      runs,
    },
    newId: () => crypto.randomUUID(),
    now: () => new Date(),
  });
  return createRerunRun({ inScope, acceptCall })({ runId, requestId, newest }, aPrincipal(tenant), {});
};
/** A run that was ended in the database. @returns its id */
async function ended(eventId: string, more: Record<string, unknown> = {}): Promise<string> {
  const counts = await accept([aDelivery(eventId, aRequest({ deadline: "2126-01-01T00:00:00Z", ...more }))]);
  expect(counts).toMatchObject({ accepted: 1 });
  const { run_id: runId } = await runOf(eventId);
  await superuser.query("update runs set status = 'CANCELLED', ended_at = now() where run_id = $1", [runId]);
  return runId;
}

describe("running an ended run again", () => {
  it("keeps the versions that it had, under its own identity, and tells which run it repeats", async () => {
    await declare(inScope, tenant, aProfile({ id: "moving", version: "1" }));
    const runId = await ended("first", { profile: { id: "moving" } });
    await declare(inScope, tenant, aProfile({ id: "moving", version: "2" }));
    const pinned = await rerun(runId, "pinned");
    const newest = await rerun(runId, "newest", { newest: true });
    expect([pinned.disposition, newest.disposition]).toEqual(["accepted", "accepted"]);
    const again = { rerun_of: runId, source: "api:ada", deadline_at: null };
    expect(await runOf("pinned")).toMatchObject({ ...again, run_id: pinned.runId, profile_version: "1" });
    expect(await runOf("newest")).toMatchObject({ ...again, run_id: newest.runId, profile_version: "2" });
  });

  it("is one run under one id, and a conflict when the id is used for another run, however alike", async () => {
    const [one, other] = [await ended("alike-1"), await ended("alike-2")];
    const first = await rerun(one, "once");
    expect(await rerun(one, "once")).toEqual({ runId: first.runId, disposition: "duplicate" });
    await expect(rerun(other, "once")).rejects.toThrow(ConflictingRequestError);
  });

  it("keeps the definition that was chosen for it, and who chose it", async () => {
    const runId = await ended("chosen", { definition: undefined, workKind: "story" });
    await rerun(runId, "chosen-again");
    const { definition_id, definition_version, rule_id } = await runOf("chosen");
    const again = await runOf("chosen-again");
    expect(again).toMatchObject({ definition_id, definition_version, rule_id });
    expect(again.requested.definition).toBeUndefined(); // the profile chose it, and still does
  });

  it("keeps the rule that chose it as it was then, with its limits and priority, without asking its condition", async () => {
    const who = aPrincipal(tenant);
    await declare(inScope, tenant, aProfile({ id: "ruled" }));
    const rule: WorkflowRuleJson = {
      ...{ id: "urgent", profileId: "ruled", runPriority: 1, when: 'event.source == "urn:team"' },
      limits: [{ id: "few", scope: "QUEUE_LIMIT_SCOPE_RULE", maxConcurrentRuns: 1 }],
    };
    const putRule = (over: WorkflowRuleJson) =>
      createPutRule({ inScope })(fromJson(WorkflowRuleSchema, { ...rule, ...over }), who);
    await putRule({});
    const runId = await ended("urgent", { definition: undefined, profile: { id: "ruled" }, workKind: "story" });
    await putRule({ runPriority: 5, limits: [] });
    await createRetireRule({ inScope })("urgent", who);
    await rerun(runId, "urgent-again");
    await rerun(runId, "urgent-anew", { newest: true });
    expect(await runOf("urgent-again")).toMatchObject({ rule_id: "urgent", rule_version: 1, priority: 1 });
    expect(await runOf("urgent-anew")).toMatchObject({ rule_id: null, rule_version: null, priority: 3 });
    const { rows } = await superuser.query("select keys from run_queue where run_id = $1", [
      (await runOf("urgent-again")).run_id,
    ]);
    expect(rows).toEqual([{ keys: ["few/rule/urgent"] }]);
  });

  it("keeps the personas that it had, and gets the policy of today", async () => {
    const putPersona = (version: string) =>
      inScope(scopeOf(tenant), async (transaction) => {
        await insertPersona(transaction, tenant, {
          ...{ id: "mender", version, digest: version.repeat(64), sizeBytes: 1, objectKey: "key", publishedBy: "ada" },
          manifest: { id: "mender", version },
        });
        await bumpRevision(transaction, tenant);
      });
    const shop = { id: "shop", url: "https://github.com/acme/shop", defaultRef: "main" };
    await createPutRepository({ inScope, bounds: { hosts: ["github.com"], roots: [] } })(
      fromJson(RepositorySchema, shop),
      aPrincipal(tenant),
    );
    const plan = { repository: { id: "shop" }, steps: [{ id: "mend", agent: { persona: { id: "mender" } } }] };
    await createPublishVersion({ inScope })(
      fromJson(PublishWorkflowVersionRequestSchema, { definitionId: "mend", version: "1", channel: "stable", plan }),
      aPrincipal(tenant),
    );
    await putPersona("1");
    const runId = await ended("mended", { definition: { id: "mend" }, workKind: "other" });
    await putPersona("2");
    await rerun(runId, "mended-pinned", { denied: ["ssh"] });
    await rerun(runId, "mended-newest", { newest: true });
    const [pinned, newest] = [await runOf("mended-pinned"), await runOf("mended-newest")];
    expect([pinned, newest].map(({ pins }) => pins.personas[0].version)).toEqual(["1", "2"]);
    expect(JSON.stringify(pinned.pins.policy)).toContain("ssh");
  });

  it("is refused for a run that has not ended, with the remedy, and for one that is not there", async () => {
    await accept([aDelivery("open")]);
    const { run_id: runId } = await runOf("open");
    const reason = { code: "not_ended", field: "run_id", value: runId, rule: expect.stringContaining("is QUEUED") };
    await expect(rerun(runId, "open-again")).rejects.toMatchObject({ reasons: [reason] });
    for (const unknown of ["none", crypto.randomUUID()])
      await expect(rerun(unknown, "unknown")).rejects.toMatchObject({ code: "unknown_run" });
  });
});
