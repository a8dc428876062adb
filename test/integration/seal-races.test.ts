import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createInRun, StreamMovedError } from "../../src/runs/in-run.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing, tested } from "../support/worlds/sealing.ts";

/** Each use case looks at a run, works, and writes. Here something happens to the run between its look and its write. */
let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;

const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const cancelled: AbortedEnd = { outcome: "CANCELLED", cause: "cancelled", reason: "by paula" };
const begin = (requirements = [ran]) => sealing.beginRun({ tenant: "acme", requirements, context });
const prepared = async () => {
  const scope = await begin();
  await seal.prepare(scope);
  return scope;
};
const say = (scope: SealScope) =>
  createInRun({ ...sealing, now: () => new Date() })(scope, (open) =>
    open.append([{ writerKey: crypto.randomUUID(), message: { text: "a word in between" } }]),
  );

beforeAll(async () => {
  sealing = await startSealing();
  seal = sealing.wire(() => undefined);
  look = lookAt(sealing);
});
afterAll(() => sealing?.stop());

describe("while a seal is prepared", () => {
  it("a cancel leaves nothing prepared, whatever the verdict would be", async () => {
    for (const requirements of [[ran], [tested]]) {
      const scope = await begin(requirements);
      const answer = await meanwhile(() => seal.cancel(scope)).prepare(scope);
      expect(answer).toEqual({ desiredState: "DESIRED_STATE_CANCEL" });
      expect([await look.statuses(scope), await look.statusOf(scope)]).toEqual([[], "PREPARING"]);
    }
  });

  it("another event is in the log that is closed then", async () => {
    const scope = await begin();
    await meanwhile(() => say(scope)).prepare(scope);
    await seal.commit(scope);
    expect((await look.proofOf(scope)).log).toContain("a word in between");
  });

  it("another prepare is what both answer", async () => {
    const scope = await begin();
    let first: unknown;
    const second = await meanwhile(async () => {
      first = await seal.prepare(scope);
    }).prepare(scope);
    expect(second).toEqual(first);
    expect(await look.statuses(scope)).toHaveLength(3);
  });

  it("a stream that never stands still is left to the next call", async () => {
    const scope = await begin();
    const transactionsOfThreeTries = 3 * 2; // each reads the run, then its log
    await expect(meanwhile(() => say(scope), transactionsOfThreeTries).prepare(scope)).rejects.toThrow(
      StreamMovedError,
    );
    expect(await seal.prepare(scope)).toMatchObject({ verdict: { passed: true } });
  });
});

describe("while a seal is committed", () => {
  it("a cancel wins", async () => {
    const scope = await prepared();
    expect(await meanwhile(() => seal.cancel(scope)).commit(scope)).toEqual({ committed: false });
    expect(await look.halves(scope)).toMatchObject({ registered: 0, status: "SEALING", artifacts: 0 });
  });

  it("an abort wins", async () => {
    const scope = await prepared();
    expect(await meanwhile(() => seal.abort(scope, cancelled)).commit(scope)).toEqual({ committed: false });
    expect(await look.halves(scope)).toMatchObject({ registered: 2, status: "CANCELLED", artifacts: 1, elements: 0 });
  });

  it("a statement that changes is not registered, nor anything with it", async () => {
    const scope = await prepared();
    const forge = () =>
      sealing.admin.query("update attestations set statement = 'forged' where run_id = $1 and kind = 'vsa'", [
        scope.runId,
      ]);
    await expect(meanwhile(forge).commit(scope)).rejects.toThrow(/2 of 3 statements are what was signed/);
    expect(await look.halves(scope)).toMatchObject({ registered: 0, status: "SEALING", artifacts: 0 });
  });

  it("another commit is what both answer", async () => {
    const scope = await prepared();
    expect(await meanwhile(() => seal.commit(scope)).commit(scope)).toMatchObject({ committed: true });
    expect(await look.halves(scope)).toMatchObject({ registered: 3, status: "COMPLETED", artifacts: 1, elements: 1 });
  });
});

describe("while a seal is aborted", () => {
  it("a commit wins", async () => {
    const scope = await prepared();
    expect(await meanwhile(() => seal.commit(scope)).abort(scope, cancelled)).toMatchObject({
      outcome: "RUN_STATUS_COMPLETED",
    });
    expect(await look.halves(scope)).toMatchObject({ registered: 3, status: "COMPLETED" });
  });

  it("a prepare is discarded", async () => {
    const scope = await begin();
    expect(await meanwhile(() => seal.prepare(scope)).abort(scope, cancelled)).toMatchObject({
      outcome: "RUN_STATUS_CANCELLED",
    });
    expect(await look.statuses(scope)).toEqual(["DISCARDED", "DISCARDED", "DISCARDED", "REGISTERED", "REGISTERED"]);
  });

  it("another abort is the end that both answer", async () => {
    const scope = await begin();
    const timedOut = { outcome: "TIMED_OUT", cause: "deadline_exceeded", reason: "" } as const;
    expect(await meanwhile(() => seal.abort(scope, timedOut)).abort(scope, cancelled)).toMatchObject({
      outcome: "RUN_STATUS_TIMED_OUT",
    });
    expect(await look.statuses(scope)).toEqual(["REGISTERED", "REGISTERED"]);
  });
});

/** The use cases, with something that happens after their first look, or after the first few. */
function meanwhile(happens: () => Promise<unknown>, times = 1): ReturnType<Sealing["wire"]> {
  let left = times;
  return sealing.wire(() => undefined, {
    inScope: async (tenant, work) => {
      const answer = await sealing.inScope(tenant, work);
      left -= 1;
      if (left >= 0) await happens();
      return answer;
    },
  });
}
