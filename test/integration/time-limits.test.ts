import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { scopeOf } from "../support/builders/declared.ts";
import type { Reporting } from "../support/worlds/reporting.ts";
import { message, startReporting } from "../support/worlds/reporting.ts";

let reporting: Reporting;
let state: Reporting["state"];
let superuser: Reporting["superuser"];
let inRun: Reporting["inRun"];
let publish: Reporting["publish"];
let beginRun: Reporting["beginRun"];
let begunRun: Reporting["begunRun"];
let report: Reporting["report"];
let describeRun: Reporting["describeRun"];
let eventsOf: Reporting["eventsOf"];
const tenant = "acme";

beforeAll(async () => {
  reporting = await startReporting();
  ({ state, superuser, inRun, publish, beginRun, begunRun, report, describeRun, eventsOf } = reporting);
});
afterAll(() => reporting?.stop());

describe("the limits of a run's time", () => {
  const dueOf = async (runId: string) =>
    (await superuser.query<{ due: Date }>("select due_at as due from runs where run_id = $1", [runId])).rows[0]?.due;
  const secondsFrom = (start: string | undefined, end: string | undefined) =>
    (Date.parse(end ?? "") - Date.parse(start ?? "")) / 1_000;

  beforeAll(async () => {
    await publish("limited", { queueLimit: "1000s", timeLimit: "10.5s", handoffLimit: "100s" });
  });
  afterEach(() => {
    state.ahead = 0;
  });

  it("are the plan's, else the operator's, and the work's begins when a worker takes it up, once for all attempts", async () => {
    const ordinary = await describeRun(await begunRun());
    expect([ordinary?.limit?.cause, secondsFrom(ordinary?.createdAt, ordinary?.limit?.dueAt)]).toEqual([
      "queue_limit_exceeded",
      86_400,
    ]);
    expect(ordinary).not.toHaveProperty("deadline");

    const runId = await begunRun("limited");
    state.ahead = 900; // it waits in the queue for longer than its work may take
    expect(await beginRun(runId)).not.toHaveProperty("exceededLimit");
    const queued = await describeRun(runId);
    expect([queued?.limit?.cause, secondsFrom(queued?.createdAt, queued?.limit?.dueAt)]).toEqual([
      "queue_limit_exceeded",
      1_000,
    ]);
    await beginRun(runId, 1);
    const working = await describeRun(runId);
    expect([working?.limit?.cause, secondsFrom(working?.workBegunAt, working?.limit?.dueAt)]).toEqual([
      "work_limit_exceeded",
      11,
    ]);
    expect(secondsFrom(working?.createdAt, working?.workBegunAt)).toBeGreaterThan(899);
    expect((await dueOf(runId))?.toISOString()).toBe(working?.limit?.dueAt);
    state.ahead = 905;
    await beginRun(runId, 2);
    await report(runId, { attempt: 2, status: "RUN_STATUS_RUNNING" });
    expect(await describeRun(runId)).toMatchObject({ workBegunAt: working?.workBegunAt, limit: working?.limit });
    expect((await eventsOf(runId)).flatMap(({ status }) => status?.limit?.cause ?? [])).toEqual([
      "queue_limit_exceeded",
      "queue_limit_exceeded",
      "queue_limit_exceeded",
      "work_limit_exceeded",
    ]);
  });

  it("let nothing begin after one of them, and say which and why", async () => {
    const [late, lost] = [await begunRun("limited"), await begunRun("limited")];
    await beginRun(lost, 1);
    await report(lost, { attempt: 1, events: [{ n: "1", waiting: { reason: "object store answers 507" } }] });
    state.ahead = 1_001;
    expect(await beginRun(late, 1)).toMatchObject({
      exceededLimit: {
        cause: "queue_limit_exceeded",
        reason: "nobody took up its work within 1000 s, the limit of waiting in the queue",
      },
    });
    expect(await describeRun(late)).not.toHaveProperty("workBegunAt");
    const tooLong = {
      cause: "work_limit_exceeded",
      reason: "its work took longer than its limit of 11 s; at last it waited for this: object store answers 507",
    };
    expect(await beginRun(lost, 2)).toMatchObject({ exceededLimit: tooLong });
    expect(await report(lost, {})).toMatchObject({ exceededLimit: tooLong });
  });

  it("give way to the event's own deadline, in whatever phase", async () => {
    const deadline = new Date(Date.now() + 60_000).toISOString();
    const runId = await begunRun("limited", { deadline });
    const reason = `the deadline of its event, ${deadline}, passed before its end was committed`;
    expect(await describeRun(runId)).toMatchObject({
      deadline,
      limit: { cause: "deadline_exceeded", dueAt: deadline },
    });
    state.ahead = 55;
    await beginRun(runId, 1);
    expect(await report(runId, {})).not.toHaveProperty("exceededLimit");
    state.ahead = 61;
    expect(await report(runId, {})).toMatchObject({ exceededLimit: { cause: "deadline_exceeded", reason } });
    const { limit } = (await describeRun(runId)) ?? {};
    expect(limit?.cause).toBe("deadline_exceeded");
  });

  it("count the hand-off from the prepared seal, and name the receiver that was away", async () => {
    const runId = await begunRun("limited");
    await beginRun(runId, 1);
    state.ahead = 9;
    await inRun({ ...scopeOf(tenant), runId }, async (open) => {
      await open.moveTo("RUNNING", "a");
      await open.moveTo("EVALUATING", "b");
      await open.moveTo("SEALING", "c", { outcome: "COMPLETED" });
    });
    state.ahead = 108; // long after the work's own limit
    expect(await report(runId, {})).not.toHaveProperty("exceededLimit");
    state.ahead = 110;
    expect(await report(runId, {})).toMatchObject({
      exceededLimit: {
        cause: "handoff_limit_exceeded",
        reason: expect.stringMatching(/limit of 100 s; at last it waited for this: scrum RecordItemDone: away$/),
      },
    });
    await inRun({ ...scopeOf(tenant), runId }, (open) => open.moveTo("TIMED_OUT", "d"));
    expect(await dueOf(runId)).toBeNull();
    expect(await describeRun(runId)).not.toHaveProperty("limit");
  });
});

describe("what the work waits for", () => {
  it("is shown with the run until it goes on, and told as one event however often it is tried", async () => {
    const runId = await begunRun();
    const waits = (attempt: number, n: string, reason: string) =>
      report(runId, {
        attempt,
        events: [{ n, waiting: { reason, attempt, nextAttemptAt: `2030-01-01T00:00:0${attempt}Z` } }],
      });
    for (const attempt of [1, 2, 3]) await waits(attempt, "1", "the disk is full");
    expect((await describeRun(runId))?.waiting).toEqual({
      reason: "the disk is full",
      attempt: 3,
      nextAttemptAt: "2030-01-01T00:00:03Z",
    });
    await waits(3, "2", "the store is away");
    const told = (await eventsOf(runId)).flatMap(({ waiting }) => waiting?.reason ?? []);
    expect(told).toEqual(["the disk is full", "the store is away"]);
    await report(runId, { attempt: 4, events: [message(1)] });
    expect((await describeRun(runId))?.waiting?.reason).toBe("the store is away");
    await report(runId, { attempt: 4, events: [{ n: "2", step: { stepId: "build", state: "STEP_STATE_STARTED" } }] });
    expect(await describeRun(runId)).not.toHaveProperty("waiting");
  });
});
