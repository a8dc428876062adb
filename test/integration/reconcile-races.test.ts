import { afterAll, beforeAll, expect, it } from "vitest";
import { SupersededExecutionError } from "../../src/runs/speaker.ts";
import type { Finding } from "../../src/seal/reconcile/judge-lost-run.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import type { RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { scrumAt, startScrumService } from "../support/engines/scrum-service-process.ts";
import { until } from "../support/worlds/reconcile-world.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

/** The reconciler acts on what was found while the execution that was thought to be gone still speaks. */
let sealing: Sealing;
let scrum: RunningScrumService;
let receiverOf: Parameters<Sealing["wire"]>[0];
let seal: Wired;

const context = { scrum: { product: "shop", sprint: "S-7", goals: ["G-1"], backlogItems: ["B-1"] } };
const begin = (receiver?: string) =>
  sealing.beginRun({ tenant: "acme", requirements: [ran], context, ...(receiver === undefined ? {} : { receiver }) });
const prepared = async () => {
  const scope = await begin();
  await seal.prepare(scope);
  return scope;
};
const find = ({ tenant, org, runId }: SealScope, finding: Finding) =>
  sealing.admin.query(
    "insert into reconciliations (tenant, org, run_id, generation, finding, detail, due_at) values ($1, $2, $3, 1, $4, '', now())",
    [tenant, org, runId, finding],
  );
const factsOf = async ({ runId }: SealScope) => {
  const { rows } = await sealing.admin.query(
    `select r.status, r.generation, s.state as seal, (select count(*)::int from reconciliations c where c.run_id = r.run_id) as noted
     from runs r left join seals s using (tenant, run_id) where r.run_id = $1`,
    [runId],
  );
  return rows[0];
};
const superseded = (error: unknown) => {
  if (error instanceof SupersededExecutionError) return { committed: false };
  throw error;
};

const isSome = (count: number) => count > 0;
type Wired = ReturnType<Sealing["wire"]>;

/**
 * Lets a commit and the reconciler act on one run at the same time, once for each head start: one begins when the other has done none, one or more of its transactions.
 * @returns how often each won
 */
async function raceCommitAgainstReconcile(
  finding: Finding,
  check: (scope: SealScope, committed: boolean) => Promise<void>,
): Promise<{ commits: number; reconciles: number }> {
  const wins = { commits: 0, reconciles: 0 };
  for (const [leader, headStart] of [
    ...[0, 1, 2].map((n) => ["commit", n] as const),
    ...[0, 1, 2, 3, 4].map((n) => ["reconcile", n] as const),
  ]) {
    const scope = await prepared();
    await find(scope, finding);
    const commit = (wired: Wired) => wired.commit(scope).catch(superseded);
    const reconcile = (wired: Wired) => wired.reconcile(scope);
    const { committed } =
      leader === "commit"
        ? (await withHeadStart(headStart, commit, reconcile))[0]
        : (await withHeadStart(headStart, reconcile, commit))[1];
    await check(scope, committed === true);
    wins[committed ? "commits" : "reconciles"] += 1;
  }
  return wins;
}

/** Begins the second when the first has done so many transactions, or has ended. */
async function withHeadStart<A, B>(
  transactions: number,
  first: (wired: Wired) => Promise<A>,
  second: (wired: Wired) => Promise<B>,
): Promise<[A, B]> {
  const isAhead = Promise.withResolvers<void>();
  let left = transactions;
  const counted = sealing.wire(receiverOf, {
    inScope: async (scope, work) => {
      const answer = await sealing.inScope(scope, work);
      left -= 1;
      if (left === 0) isAhead.resolve();
      return answer;
    },
  });
  const leading = first(counted).finally(isAhead.resolve);
  if (transactions > 0) await isAhead.promise;
  return Promise.all([leading, second(seal)]);
}

beforeAll(async () => {
  [sealing, scrum] = await Promise.all([startSealing(), startScrumService()]);
  const methodology = scrumAt(scrum.url);
  receiverOf = (name) => (name === "scrum" ? methodology : undefined);
  seal = sealing.wire(receiverOf);
});
afterAll(async () => {
  await scrum?.end();
  await sealing?.stop();
});

it("of a commit and an end by the reconciler exactly one stands", async () => {
  const wins = await raceCommitAgainstReconcile("terminated", async (scope, committed) => {
    const end = committed ? { status: "COMPLETED", seal: "COMMITTED" } : { status: "FAILED", seal: "ABORTED" };
    expect(await factsOf(scope)).toEqual({ ...end, generation: 1, noted: 0 });
  });
  expect(wins).toEqual({ commits: expect.toSatisfy(isSome), reconciles: expect.toSatisfy(isSome) });
});

it("of a commit and a new generation exactly one stands, and the old execution has no effect after it", async () => {
  const wins = await raceCommitAgainstReconcile("absent", async (scope, committed) => {
    expect(await factsOf(scope)).toEqual(
      committed
        ? { status: "COMPLETED", seal: "COMMITTED", generation: 1, noted: 0 }
        : { status: "SEALING", seal: "PREPARED", generation: 2, noted: 0 },
    );
    if (committed) return;
    for (const call of [seal.commit, seal.prepare])
      await expect(call(scope)).rejects.toBeInstanceOf(SupersededExecutionError);
    const end = { outcome: "FAILED", cause: "internal", reason: "" } as const;
    await expect(seal.abort(scope, end)).rejects.toBeInstanceOf(SupersededExecutionError);
  });
  expect(wins).toEqual({ commits: expect.toSatisfy(isSome), reconciles: expect.toSatisfy(isSome) });
});

it("two replicas that act on the same finding make one new generation", async () => {
  const scope = await prepared();
  await find(scope, "absent");
  await Promise.all([seal.reconcile(scope), seal.reconcile(scope), seal.reconcile(scope)]);
  expect(await factsOf(scope)).toMatchObject({ generation: 2, noted: 0 });
});

it("leaves a run that an execution has begun meanwhile to that one", async () => {
  const scope = await begin();
  await seal.cancel(scope);
  await find(scope, "cancel_wished");
  await seal.reconcile(scope);
  expect(await factsOf(scope)).toMatchObject({ status: "PREPARING", noted: 0 });
});

it("has what a lost run tried at its receiver cancelled there, so that nothing stays provisional", async () => {
  const scope = await begin("scrum");
  await seal.prepare(scope);
  await seal.deliver(scope, AbortSignal.timeout(10_000));
  expect((await scrum.board()).provisional.length).toBeGreaterThan(0);
  await seal.cancel(scope);
  await find(scope, "absent");
  await seal.reconcile(scope);
  expect(await factsOf(scope)).toMatchObject({ status: "CANCELLED", seal: "ABORTED" });
  const stop = new AbortController();
  const loop = seal.loop.run(stop.signal);
  await until(async () => (await scrum.board()).provisional.length === 0);
  stop.abort();
  await loop;
});
