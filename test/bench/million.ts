import { performance } from "node:perf_hooks";
import { create } from "@bufbuild/protobuf";
import pg from "pg";
import { createExplainRequest } from "../../src/admission/explain-request.ts";
import { createListQueue } from "../../src/admission/list-queue.ts";
import { createInReadScope } from "../../src/drivers/postgres/in-scope.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { ListRunRequestsRequestSchema } from "../../src/gen/workflows_runtime/v1/request_service_pb.ts";
import { ListWorkflowRunsRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createListRequests } from "../../src/requests/list-requests.ts";
import { createListRuns } from "../../src/runs/list-runs.ts";
import type { Scope } from "../../src/tenancy/transaction.ts";
import { createDatabase } from "../support/engines/database.ts";
import { startEngines } from "../support/engines/engines.ts";
import { quantile, table } from "./statistics.ts";

const runs = 1_000_000;
const waiting = 20_000;
const days = 90;
const tries = 200;
const scope: Scope = { tenant: "big", org: "retail" };

/** What people ask of an installation with a million runs of one tenant, 90 days of them, while 20,000 wait: each as the api does it, transaction included. */
export async function benchMillion(): Promise<void> {
  const engines = await startEngines({ postgres: true });
  const database = await createDatabase(engines.postgres.url);
  try {
    await insertRuns(database.superuserUrl);
    const inScope = createInReadScope(database.poolOf("api"));
    const listRuns = createListRuns({ inScope, workflowIdOf: () => "" });
    const listRequests = createListRequests({ inScope });
    const listQueue = createListQueue({ inScope });
    const explain = createExplainRequest({ inScope, workflowIdOf: () => "" });
    const runsOf = (filter: Parameters<typeof create<typeof ListWorkflowRunsRequestSchema>>[1]) => {
      const request = create(ListWorkflowRunsRequestSchema, filter);
      return async () => (await listRuns(request, scope)).runs?.length ?? 0;
    };
    const byReference = (kind: string, id: string) => runsOf({ reference: { kind, id } });
    const secondPage = async () => {
      const { nextPageToken: pageToken = "" } = await listRuns(create(ListWorkflowRunsRequestSchema, {}), scope);
      return runsOf({ pageToken });
    };
    const named = { requestId: "", source: "", eventId: "event-500000" };
    const asked: readonly (readonly [string, () => Promise<number>])[] = [
      ["runs, newest", runsOf({})],
      ["runs, second page", await secondPage()],
      ["runs that are QUEUED", runsOf({ status: RunStatus.QUEUED })],
      ["runs that TIMED_OUT: none", runsOf({ status: RunStatus.TIMED_OUT })],
      ["runs of a profile", runsOf({ profileId: "rare" })],
      ["runs by a backlog item that one run has", byReference("backlog_item", "PBI-500000")],
      ["runs by a sprint that 10,000 runs have", byReference("sprint", "S-7")],
      ["runs by a product that all runs have", byReference("product", "shop")],
      ["runs by a reference that none has", byReference("sprint", "none")],
      ["runs that FAILED, by a sprint", runsOf({ status: RunStatus.FAILED, reference: { kind: "sprint", id: "S-7" } })],
      [
        "requests, newest",
        async () => (await listRequests(create(ListRunRequestsRequestSchema, {}), scope)).deliveries?.length ?? 0,
      ],
      [
        "requests by event",
        async () =>
          (await listRequests(create(ListRunRequestsRequestSchema, { eventId: "event-500000" }), scope)).deliveries
            ?.length ?? 0,
      ],
      ["why an event ran", async () => ((await explain(named, scope)).run === undefined ? 0 : 1)],
      ["the queue", async () => (await listQueue(scope)).runs?.length ?? 0],
    ];
    const rows: string[][] = [];
    for (const [what, ask] of asked) {
      const ms: number[] = [];
      let answered = 0;
      for (let n = 0; n < tries; n += 1) {
        const from = performance.now();
        answered = await ask();
        ms.push(performance.now() - from);
      }
      rows.push([what, String(answered), ...[0.5, 0.99].map((q) => quantile(ms, q).toFixed(1))]);
      console.error(`million: ${what}`);
    }
    console.log(table(["asked", "answers", "p50 ms", "p99 ms"], rows));
  } finally {
    await database.close();
    await engines.stop();
  }
}

/** Runs with their requests, streams, references and queue rows, oldest first; the newest wait. */
async function insertRuns(superuserUrl: string): Promise<void> {
  const superuser = new pg.Client({ connectionString: superuserUrl });
  await superuser.connect();
  const numbered = `generate_series(1, ${runs}) as i`;
  const insert = async (what: string, sql: string) => {
    console.error(`million: ${what}`);
    await superuser.query(sql);
  };
  try {
    await insert(
      "inserts runs",
      `insert into runs (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id, profile_version,
         profile_digest, method, work_kind, cadence_id, "references", requested, status, ended_at, day, created_at)
       select '${scope.tenant}', md5('run-' || i)::uuid, '${scope.org}', md5('request-' || i)::uuid, 'urn:bench', 'event-' || i, 'increment-evidence', '1', 'd',
         case when i % 100000 = 0 then 'rare' else 'scrum-team' end, '1', 'p', 'scrum', 'story', 'S-' || i / 10000,
         jsonb_build_object('workItems', jsonb_build_array(jsonb_build_object('kind', 'backlog_item', 'id', 'PBI-' || i))), '{}',
         case when i > ${runs - waiting} then 'QUEUED' when i % 25 = 0 then 'FAILED' else 'COMPLETED' end, case when i <= ${runs - waiting} then at end,
         (at at time zone 'utc')::date, at
       from ${numbered}, lateral (select now() - (${runs} - i) * interval '${(days * 86_400_000) / runs} ms') as t (at)`,
    );
    await insert(
      "inserts streams",
      "insert into run_streams (tenant, org, run_id, last_sequence, last_hash) select tenant, org, run_id, 5, 'h' from runs",
    );
    await insert(
      "inserts references",
      `insert into run_references (tenant, org, run_id, created_at, kind, id)
       select tenant, org, run_id, created_at, kind, id from runs, lateral (values ('backlog_item', "references"->'workItems'->0->>'id'), ('sprint', cadence_id), ('product', 'shop')) as r (kind, id)`,
    );
    await insert(
      "inserts requests",
      `insert into run_requests (tenant, request_id, org, source, event_id, event_type, disposition, run_id, position, payload, received_at)
       select tenant, request_id, org, source, event_id, 'automation.run.requested.v1', 'accepted', run_id, 'kafka:bench/' || event_id, '{}', created_at from runs`,
    );
    await insert(
      "inserts the queue",
      `insert into run_queue (tenant, org, run_id, priority, queued_at) select tenant, org, run_id, priority, created_at from runs where status = 'QUEUED'`,
    );
    await insert("looks at what there is", "vacuum analyze");
  } finally {
    await superuser.end();
  }
}
