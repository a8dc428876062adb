import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createListQueue } from "../../src/admission/list-queue.ts";
import type { Loop } from "../../src/loops/loop.ts";
import type { Receiver } from "../../src/methodology/methodology.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { scrumAt, startScrumService } from "../support/engines/scrum-service-process.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing, tested } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let scrum: RunningScrumService;
let receiver: Receiver;
let seal: ReturnType<Sealing["wire"]>;

const context = { scrum: { product: "shop", sprint: "S-7", goals: ["G-1"], backlogItems: ["B-1"] } };
const failed: AbortedEnd = { outcome: "FAILED", cause: "verdict_failed", reason: "tests are missing" };
const patience = { timeout: 60_000, interval: 50 };
let tenants = 0;
const begin = (requirements = [ran]) => {
  tenants += 1;
  return sealing.beginRun({ tenant: `tenant-${tenants}`, requirements, receiver: "scrum", context });
};
const signal = () => AbortSignal.timeout(60_000);

beforeAll(async () => {
  sealing = await startSealing();
  scrum = await startScrumService();
  receiver = scrumAt(scrum.url);
  seal = sealing.wire(() => receiver);
});
afterAll(async () => {
  await scrum?.end();
  await sealing?.stop();
});

describe("what waits for a receiver that is away", () => {
  it("is a run that says so once, with since when and what was met, until it is answered", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    const away = sealing.wire(() => ({ ...receiver, send: async () => ({ state: "UNANSWERED", error: "gone" }) }));
    await away.deliver(scope, signal());
    const first = await waitingOf(scope);
    expect(first).toMatchObject({ reason: "receiver scrum: gone", attempt: 1, since: expect.any(String) });
    await away.deliver(scope, signal());
    const { since, nextAttemptAt } = first;
    expect(await waitingOf(scope)).toMatchObject({ attempt: 2, since, nextAttemptAt: expect.any(String) });
    const { rows } = await sealing.admin.query(
      "select event->'waiting' as waiting from run_events where run_id = $1 and event ? 'waiting'",
      [scope.runId],
    );
    expect(rows).toEqual([{ waiting: { ...first, nextAttemptAt } }]);
    await seal.deliver(scope, signal());
    expect(await waitingOf(scope)).toBeNull();
  });

  it("is a call that is seen when it has no answer after a quarter of an hour, and told of once", async () => {
    const scope = await begin([tested]);
    await seal.abort(scope, failed);
    await sealing.admin.query("update handoff_calls set created_at = now() - interval '16 minutes' where run_id = $1", [
      scope.runId,
    ]);
    const away = sealing.wire(() => ({ ...receiver, send: async () => ({ state: "UNANSWERED", error: "gone" }) }));
    const queued = async () => (await createListQueue(sealing)(scopeOf(scope.tenant))).heldUp;
    await during(away.loop, async () => {
      const details = async () => (await queued())?.map(({ detail }) => detail);
      await expect
        .poll(details, patience)
        .toEqual([expect.stringMatching(/^scrum RaiseImpediment \(TRY\): gone \(tried [2-9] times\)$/)]);
    });
    expect(await queued()).toMatchObject([
      { runId: scope.runId, finding: "receiver_silent", status: "RUN_STATUS_FAILED", due: true },
    ]);
    expect(sealing.heldUp.filter(({ runId }) => runId === scope.runId)).toHaveLength(1);
    await during(seal.loop, () => expect.poll(queued, patience).toEqual([]));
  });
});

describe("runs that wait for a Scrum service that is away", () => {
  it("make no more calls when they are fifty than when they are five, and all go on soon after it is back", async () => {
    await scrum.stop("SIGKILL");
    const five = await waitingRuns(5);
    const fifty = await waitingRuns(50);
    const window = 4; // as many may be in flight when the gate shuts
    expect(await callsIn(fifty, 20)).toBeLessThanOrEqual((await callsIn(five, 20)) + window);
    await scrum.restart();
    for (let second = 0; second < 15; second += 1) await fifty.round();
    expect(new Set(await fifty.round())).toEqual(new Set(["HANDOFF_PROGRESS_ACCEPTED"]));
  });
});

async function during(loop: Loop, holds: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  try {
    await holds();
  } finally {
    stop.abort();
    await running;
  }
}

async function waitingOf({ runId }: SealScope) {
  const { rows } = await sealing.admin.query("select waiting from runs where run_id = $1", [runId]);
  return rows[0].waiting;
}

/** Runs whose tries are due, asked for once a second of a clock that only they move. */
async function waitingRuns(count: number) {
  let [nowMs, calls] = [0, 0];
  const counting: Receiver = {
    ...receiver,
    send: (call, options) => {
      calls += 1;
      return receiver.send(call, options);
    },
  };
  const { deliver } = sealing.wire(() => counting, { receiverNow: () => new Date(nowMs) });
  const scopes = await Promise.all(Array.from({ length: count }, () => begin()));
  for (const scope of scopes) await seal.prepare(scope);
  return {
    calls: () => calls,
    round: async () => {
      const answers = await Promise.all(scopes.map((scope) => deliver(scope, signal())));
      nowMs += 1_000;
      return answers.map(({ progress }) => progress);
    },
  };
}

async function callsIn(runs: Awaited<ReturnType<typeof waitingRuns>>, seconds: number): Promise<number> {
  for (let second = 0; second < seconds; second += 1) await runs.round();
  return runs.calls();
}
