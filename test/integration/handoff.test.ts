import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ReceiverMethodError, UnknownReceiverError } from "../../src/definitions/receiver-rules.ts";
import type { Receiver, ReceiverOf } from "../../src/methodology/methodology.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { scrumAt, startScrumService } from "../support/engines/scrum-service-process.ts";
import { ran, startSealing, tested } from "../support/worlds/sealing.ts";

type Sealing = Awaited<ReturnType<typeof startSealing>>;

let sealing: Sealing;
let scrum: RunningScrumService;
let receiver: Receiver;
let seal: ReturnType<Sealing["wire"]>;
let stopLoop: AbortController;
let loop: Promise<void>;

const context = { scrum: { product: "shop", sprint: "S-7", goals: ["G-1"], backlogItems: ["B-1"] } };
const failed: AbortedEnd = { outcome: "FAILED", cause: "verdict_failed", reason: "tests are missing" };
const cancelled: AbortedEnd = { outcome: "CANCELLED", cause: "cancelled", reason: "by paula" };
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
  const receiverOf: ReceiverOf = (name) => (name === "scrum" ? receiver : undefined);
  seal = sealing.wire(receiverOf, { onDue: () => seal.loop.wake() });
  stopLoop = new AbortController();
  loop = seal.loop.run(stopLoop.signal);
});
afterEach(async () => {
  await scrum.door("DELETE", "/behaviour");
});
afterAll(async () => {
  stopLoop?.abort();
  await loop;
  await scrum?.end();
  await sealing?.stop();
});

describe("a completed run at the Scrum service", () => {
  it("is provisional there until it is committed, and final after, with the proof by digest", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    expect(await seal.deliver(scope, signal())).toMatchObject({
      progress: "HANDOFF_PROGRESS_ACCEPTED",
      desiredState: "DESIRED_STATE_RUN",
    });
    expect(await atScrum(scope)).toMatchObject({ evidence: [], done: [], provisional: 2 });
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
    await untilDelivered(scope);
    const held = await atScrum(scope);
    expect(held).toMatchObject({ evidence: [{ runId: scope.runId }], done: [{ runId: scope.runId }], provisional: 0 });
    const { rows } = await sealing.admin.query(
      "select kind, statement_sha256 from attestations where run_id = $1 and status = 'REGISTERED' order by kind",
      [scope.runId],
    );
    const digests = Object.fromEntries(rows.map((row) => [row.kind, row.statement_sha256]));
    expect(held.evidence[0]).toMatchObject({
      correlationId: "corr-1",
      vsa: { statementSha256: digests.vsa, verdict: { passed: true, level: "SCRUM_DEFINITION_OF_DONE" } },
      evidence: [
        { kind: "agent-run", statementSha256: digests["agent-run"] },
        { kind: "provenance", statementSha256: digests.provenance },
      ],
    });
  });

  it("adds the increment that Scrum names to the run's references, its later events and the graph", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.deliver(scope, signal());
    await seal.commit(scope);
    const { rows } = await sealing.admin.query(
      `select (select event->'context'->'references'->'workItems' from run_events where run_id = $1 order by sequence desc limit 1) as said,
              (select json_agg(id) from run_references where run_id = $1 and kind = 'increment') as found,
              (select json_agg(target_kind order by target_kind) from element_relationships where tenant = $2) as targets`,
      [scope.runId, scope.tenant],
    );
    const [{ said, found, targets }] = rows;
    expect(said).toContainEqual({ kind: "increment", id: found[0], parent: { kind: "product", id: "shop" } });
    expect(targets).toEqual(["backlog_item", "increment"]);
  });

  it("is one evidence, when replies to tries and confirms are lost and everything is asked again", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await scrum.tell({ action: "lose_reply", phase: "try", calls: 2 });
    await scrum.tell({ action: "lose_reply", phase: "confirm", calls: 2 });
    expect(await seal.deliver(scope, signal())).toMatchObject({ progress: "HANDOFF_PROGRESS_PENDING" });
    expect(await seal.deliver(scope, signal())).toMatchObject({ progress: "HANDOFF_PROGRESS_ACCEPTED" });
    expect(await seal.deliver(scope, signal())).toMatchObject({ progress: "HANDOFF_PROGRESS_ACCEPTED" });
    await Promise.all([seal.commit(scope), seal.commit(scope)]);
    await untilDelivered(scope);
    expect(await atScrum(scope)).toMatchObject({ evidence: [{}], done: [{}], provisional: 0 });
    expect(await answers(scope)).toEqual(["AttachIncrementEvidence", "RecordItemDone"]);
    const calls = (await seal.describe(scopeOf(scope.tenant), scope.runId)).handoffCalls;
    expect(calls.map(({ phase, state, attempts }) => [phase, state, attempts])).toEqual(
      expect.arrayContaining([
        ["HANDOFF_PHASE_TRY", "HANDOFF_STATE_ACKNOWLEDGED", 2],
        ["HANDOFF_PHASE_CONFIRM", "HANDOFF_STATE_ACKNOWLEDGED", 2],
      ]),
    );
  });

  it("is answered once, when the round of tries is asked for many times at once", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    const rounds = await Promise.all([1, 2, 3, 4].map(() => seal.deliver(scope, signal())));
    expect(new Set(rounds.map((each) => each.progress))).toEqual(new Set(["HANDOFF_PROGRESS_ACCEPTED"]));
    expect(await answers(scope)).toEqual(["AttachIncrementEvidence", "RecordItemDone"]);
  });

  it("is not committed while a try has no answer within its receiver's limit", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await expect(seal.commit(scope)).rejects.toThrow(/AttachIncrementEvidence is DUE/);
    const impatient = sealing.wire(() => ({ ...receiver, tryTimeoutMs: 500 }));
    await scrum.tell({ action: "delay", method: "RecordItemDone", phase: "try", delayMs: 60_000, calls: 1 });
    expect(await impatient.deliver(scope, signal())).toMatchObject({ progress: "HANDOFF_PROGRESS_PENDING" });
    expect(await callsOf(scope, "TRY")).toContainEqual({ state: "DUE", attempts: 1 });
    await expect(seal.commit(scope)).rejects.toThrow(/RecordItemDone is DUE/);
    expect(await seal.deliver(scope, signal())).toMatchObject({ progress: "HANDOFF_PROGRESS_ACCEPTED" });
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
  });

  it("is accepted by a Scrum that needs more than a second for each call", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await scrum.tell({ action: "delay", delayMs: 1_100, calls: 2 });
    expect(await seal.deliver(scope, signal())).toMatchObject({ progress: "HANDOFF_PROGRESS_ACCEPTED" });
    expect((await callsOf(scope, "TRY")).map(({ attempts }) => attempts)).toEqual([1, 1]);
  });

  it("is confirmed once Scrum is back", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.deliver(scope, signal());
    await scrum.stop("SIGKILL");
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
    await until(async () => (await callsOf(scope, "CONFIRM")).every((call) => call.attempts > 0));
    await scrum.restart();
    await untilDelivered(scope);
    expect(await atScrum(scope)).toMatchObject({ evidence: [{}], done: [{}], provisional: 0 });
  });

  it("is stuck, and said so once, when Scrum refuses what it had accepted", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.deliver(scope, signal());
    await scrum.tell({ action: "forget", method: "RecordItemDone", phase: "confirm", calls: 1 });
    await seal.commit(scope);
    await untilDelivered(scope);
    const stuck = sealing.stuck.filter((call) => call.runId === scope.runId);
    expect(stuck).toMatchObject([
      { rpc: "RecordItemDone", phase: "CONFIRM", reason: expect.stringContaining("nothing to confirm") },
    ]);
    expect((await callsOf(scope, "CONFIRM")).map((call) => call.state).sort()).toEqual(["ACKNOWLEDGED", "STUCK"]);
  });
});

describe("a run that Scrum or a person stops", () => {
  it("is refused with Scrum's reason, ends FAILED, and leaves nothing final but the impediment", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await scrum.tell({ action: "refuse", method: "RecordItemDone", phase: "try", reason: "B-1 is not in S-7" });
    const { progress, reason = "" } = await seal.deliver(scope, signal());
    expect([progress, reason]).toEqual(["HANDOFF_PROGRESS_REFUSED", "RecordItemDone: B-1 is not in S-7"]);
    expect(await seal.deliver(scope, signal())).toMatchObject({ progress, reason });
    await expect(seal.commit(scope)).rejects.toThrow(/RecordItemDone is REFUSED/);
    expect(await seal.abort(scope, { outcome: "FAILED", cause: "handoff_refused", reason })).toMatchObject({
      outcome: "RUN_STATUS_FAILED",
    });
    await untilDelivered(scope);
    expect(await atScrum(scope)).toMatchObject({
      evidence: [],
      done: [],
      provisional: 0,
      impediments: [{ cause: "handoff_refused", occurrences: 1 }],
    });
  });

  it("leaves nothing final when it is cancelled between prepare and commit, and no impediment", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.deliver(scope, signal());
    await seal.cancel(scope);
    expect(await seal.deliver(scope, signal())).toMatchObject({ desiredState: "DESIRED_STATE_CANCEL" });
    expect(await seal.commit(scope)).toEqual({ committed: false });
    await seal.abort(scope, cancelled);
    await untilDelivered(scope);
    expect(await atScrum(scope)).toMatchObject({ evidence: [], done: [], provisional: 0, impediments: [] });
  });

  it("leaves nothing, when its tries arrive after they were cancelled", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    const underway: Parameters<Receiver["send"]>[0][] = [];
    const slow: Receiver = {
      ...receiver,
      send: async (call) => {
        underway.push(call);
        return { state: "UNANSWERED", error: "still on its way" };
      },
    };
    expect(await sealing.wire(() => slow).deliver(scope, signal())).toMatchObject({
      progress: "HANDOFF_PROGRESS_PENDING",
    });
    await seal.abort(scope, cancelled);
    await untilDelivered(scope);
    for (const call of underway)
      expect(await receiver.send(call, { timeoutMs: 5_000, signal: signal() })).toMatchObject({
        state: "REFUSED",
        reason: expect.stringContaining("comes too late"),
      });
    expect(underway).toHaveLength(2);
    expect(await atScrum(scope)).toMatchObject({ evidence: [], done: [], provisional: 0 });
  });
});

describe("an impediment", () => {
  it("is raised with its lines at the end of a failed run, counted when it comes again, and known by Scrum's id", async () => {
    const scope = await begin([ran, tested]);
    const { verdict } = await seal.prepare(scope);
    await seal.abort(scope, failed);
    await untilDelivered(scope);
    const again = await sealing.beginRun({
      tenant: scope.tenant,
      requirements: [ran, tested],
      receiver: "scrum",
      context,
    });
    await seal.abort(again, failed);
    await untilDelivered(again);
    const { impediments } = await atScrum(again);
    expect(impediments).toMatchObject([{ cause: "verdict_failed", occurrences: 2, backlogItems: ["B-1"] }]);
    expect(impediments[0]?.runIds).toHaveLength(2);
    const { impediment } = await seal.describe(scopeOf(scope.tenant), scope.runId);
    expect(impediment).toMatchObject({
      id: impediments[0]?.impedimentId,
      remoteId: impediments[0]?.id,
      occurrences: 2,
    });
    expect(verdict?.lines).toMatchObject([{ state: "LINE_STATE_MISSING" }, { requirementId: "run-completed" }]);
  });

  it("is stuck when Scrum refuses it", async () => {
    await scrum.tell({ action: "refuse", method: "RaiseImpediment", reason: "we have enough" });
    const scope = await begin([tested]);
    await seal.abort(scope, failed);
    await untilDelivered(scope);
    expect(sealing.stuck.filter((call) => call.runId === scope.runId)).toMatchObject([
      { rpc: "RaiseImpediment", phase: "TRY", reason: "we have enough" },
    ]);
  });
});

describe("the deliver loop", () => {
  const counted = (sent: string[]): Receiver => ({
    ...receiver,
    send: (call, options) => {
      sent.push(`${call.meta.idempotencyKey} ${call.phase}`);
      return receiver.send(call, options);
    },
  });

  it("sends the confirms of a commit at once, and no other replica sends them meanwhile", async () => {
    const sent: string[] = [];
    stopLoop.abort();
    await loop;
    const replicas = [1, 2].map(() => sealing.wire(() => counted(sent)));
    const stop = new AbortController();
    const running = replicas.map((replica) => replica.loop.run(stop.signal));
    const [committing = seal, other = seal] = replicas;
    for (let n = 0; n < 6; n += 1) {
      const scope = await begin();
      await committing.prepare(scope);
      await committing.deliver(scope, signal());
      await committing.commit(scope);
      other.loop.wake();
      await untilDelivered(scope);
    }
    stop.abort();
    await Promise.all(running);
    expect(sent.filter((call) => call.endsWith("CONFIRM"))).toHaveLength(12);
    expect(new Set(sent).size).toBe(24);
    stopLoop = new AbortController();
    loop = seal.loop.run(stopLoop.signal);
  });

  it("sends each call once, in order of phases, when two replicas run it", async () => {
    const sent: string[] = [];
    stopLoop.abort();
    await loop;
    const replicas = [1, 2].map(() => sealing.wire(() => counted(sent)));
    const stop = new AbortController();
    const scopes = await Promise.all(Array.from({ length: 12 }, () => begin([tested])));
    for (const scope of scopes) await seal.abort(scope, failed);
    const running = replicas.map((replica) => replica.loop.run(stop.signal));
    for (const scope of scopes) await untilDelivered(scope);
    stop.abort();
    await Promise.all(running);
    expect(sent).toHaveLength(24);
    expect(new Set(sent).size).toBe(24);
    stopLoop = new AbortController();
    loop = seal.loop.run(stopLoop.signal);
  });
});

describe("a receiver that never answers", () => {
  it("delays no other one, however much is due to it", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const receivers: Record<string, Receiver> = {
      scrum: receiver,
      silent: scrumAt(endpoint),
    };
    stopLoop.abort();
    await loop;
    const both = sealing.wire((name) => receivers[name]);
    for (let i = 0; i < 30; i += 1) {
      const waiting = await sealing.beginRun({
        tenant: `silent-${i}`,
        requirements: [ran],
        receiver: "silent",
        context,
      });
      await both.abort(waiting, failed);
    }
    const scope = await begin();
    await both.abort(scope, failed);
    stopLoop = new AbortController();
    loop = both.loop.run(stopLoop.signal);
    await untilDelivered(scope);
    const { rows } = await sealing.admin.query(
      `select count(*) filter (where attempts > 0)::int as silent, count(*) filter (where next_attempt_at > now())::int as claimed
       from handoff_calls where receiver = 'silent'`,
    );
    expect(rows[0].silent, "calls to the silent one that were given up before").toBe(0);
    expect(rows[0].claimed, "calls that the silent one has room for").toBeLessThanOrEqual(4);
    stopLoop.abort();
    await loop;
    silent.closeAllConnections();
    silent.close();
    await sealing.admin.query("update handoff_calls set next_attempt_at = null where receiver = 'silent'");
    stopLoop = new AbortController();
    loop = seal.loop.run(stopLoop.signal);
  });
});

describe("a profile that hands over to a receiver which serves another method", () => {
  it("prepares nothing and names both methods, and a failed end is still sealed without a call", async () => {
    const kanban: Receiver = { ...receiver, methodology: { ...receiver.methodology, method: "kanban" } };
    const wired = sealing.wire(() => kanban);
    const scope = await begin();
    await expect(wired.prepare(scope)).rejects.toThrow(ReceiverMethodError);
    await expect(wired.prepare(scope)).rejects.toThrow(/"scrum" serves method "kanban".*method "scrum"/);
    expect(await wired.abort(scope, failed)).toMatchObject({ outcome: "RUN_STATUS_FAILED" });
    expect(await wired.describe(scopeOf(scope.tenant), scope.runId)).toMatchObject({
      handoffCalls: [],
      impediment: { occurrences: 1 },
    });
  });
});

describe("the ids that a receiver returns", () => {
  it("join the references of their own kind, and a kind that the method has no list for joins none", async () => {
    const generous: Receiver = {
      ...receiver,
      send: async () => ({
        state: "ACKNOWLEDGED",
        answer: {},
        returned: [
          { kind: "sprint_goal", id: "G-2" },
          { kind: "increment", id: "INC-9" },
          { kind: "impediment", id: "IMP-1" },
        ],
      }),
    };
    const wired = sealing.wire(() => generous);
    const scope = await begin();
    await wired.prepare(scope);
    await wired.deliver(scope, signal());
    const { rows } = await sealing.admin.query(
      `select "references", (select json_agg(id order by id) from run_references where run_id = $1 and kind in ('sprint_goal', 'increment', 'impediment')) as found
       from runs where run_id = $1`,
      [scope.runId],
    );
    const [{ references, found }] = rows;
    const idsOf = (list: { readonly id: string }[]) => list.map(({ id }) => id);
    expect(idsOf(references.goals)).toEqual(["G-1", "G-2"]);
    expect(idsOf(references.workItems)).toEqual(["B-1", "shop", "INC-9"]);
    expect(found).toEqual(["G-1", "G-2", "INC-9"]);
    await wired.abort(scope, cancelled);
  });
});

describe("a profile that hands over to a receiver the operator has not named", () => {
  it("prepares nothing and names the remedy, and a failed end is still sealed", async () => {
    const scope = await sealing.beginRun({ tenant: "nobody", requirements: [ran], receiver: "elsewhere", context });
    await expect(seal.prepare(scope)).rejects.toThrow(UnknownReceiverError);
    await expect(seal.prepare(scope)).rejects.toThrow(/"elsewhere".*operator file/);
    expect(await seal.abort(scope, failed)).toMatchObject({ outcome: "RUN_STATUS_FAILED" });
    expect(await seal.describe(scopeOf("nobody"), scope.runId)).toMatchObject({
      handoffCalls: [],
      impediment: { occurrences: 1 },
    });
  });
});

async function atScrum({ tenant, runId }: SealScope) {
  const { held, provisional } = await scrum.board();
  const ofRun = <T extends { readonly runId: string }>(all: readonly T[]) => all.filter((each) => each.runId === runId);
  return {
    evidence: ofRun(held.increments.flatMap((each) => each.evidence)),
    done: ofRun(held.doneItems.flatMap((each) => each.records)),
    impediments: held.impediments.filter((each) => each.tenant === tenant),
    provisional: ofRun(provisional).length,
  };
}

async function callsOf({ runId }: SealScope, phase: string): Promise<{ state: string; attempts: number }[]> {
  const { rows } = await sealing.admin.query(
    "select state, attempts from handoff_calls where run_id = $1 and phase = $2",
    [runId, phase],
  );
  return rows;
}

/** Calls that the run's events say were answered. */
async function answers({ runId }: SealScope): Promise<string[]> {
  const { rows } = await sealing.admin.query(
    "select event->'handoff'->>'rpc' as rpc from run_events where run_id = $1 and event ? 'handoff' order by 1",
    [runId],
  );
  return rows.map((row) => row.rpc);
}

/** Everything the deliver loop owes for the run has its final answer. */
async function untilDelivered({ runId }: SealScope): Promise<void> {
  await until(async () => {
    const { rows } = await sealing.admin.query(
      "select count(*)::int as due from handoff_calls where run_id = $1 and state = 'DUE' and next_attempt_at is not null",
      [runId],
    );
    return rows[0].due === 0;
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(holds, { timeout: 60_000, interval: 50 }).toBe(true);
}
