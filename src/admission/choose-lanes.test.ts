import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Lane } from "./choose-lanes.ts";
import { ageingSeconds, chooseLanes, countOf } from "./choose-lanes.ts";

let made = 0;
function lane(change: Partial<Lane>): Lane {
  made += 1;
  const ordinary = { tenant: "acme", priority: 3, fairnessKey: "", weight: 1, waiting: 10, waitedSeconds: 1, keys: [] };
  return {
    lane: `lane-${made}`,
    limits: [],
    heldBy: null,
    blockedBy: null,
    turn: 0,
    ownTurn: 0,
    ...ordinary,
    ...change,
  };
}
const choose = (lanes: readonly Lane[], room: number, change: Partial<Parameters<typeof chooseLanes>[1]> = {}) =>
  chooseLanes(lanes, { room, taken: new Map(), turns: [], weightOf: () => 1, ...change });
const under = (key: string, most: number) => ({ keys: [key], limits: [{ key, most }] });

describe("whose turn it is", () => {
  it("is the higher priority's, whoever asks, until another has waited 5 minutes for each step", () => {
    const urgent = lane({ priority: 1, waitedSeconds: 0, waiting: 1 });
    const patient = lane({ tenant: "umbrella", priority: 3, waitedSeconds: 2 * ageingSeconds - 1 });
    expect(choose([patient, urgent], 1).picks).toEqual([urgent]);
    const aged = { ...patient, waitedSeconds: 2 * ageingSeconds };
    expect(choose([aged, urgent], 1).picks).toEqual([aged]);
  });

  it("goes round the tenants, however many lanes and runs each has", () => {
    const many = [lane({ waiting: 1_000 }), lane({ waiting: 1_000 }), lane({ waiting: 1_000 })];
    const one = lane({ tenant: "umbrella", waiting: 1_000 });
    const { picks } = choose([...many, one], 100);
    expect(picks.filter(({ tenant }) => tenant === "umbrella")).toHaveLength(50);
  });

  it("goes round the fairness keys within a tenant", () => {
    const [shop, pay] = [lane({ fairnessKey: "shop", waitedSeconds: 200 }), lane({ fairnessKey: "pay" })];
    expect(choose([shop, pay], 4).picks.filter(({ fairnessKey }) => fairnessKey === "pay")).toHaveLength(2);
  });

  it("comes as often as the weights of tenants and fairness keys say", () => {
    const lanes = [lane({ fairnessKey: "shop", weight: 3, waiting: 99 }), lane({ fairnessKey: "pay", waiting: 99 })];
    const other = lane({ tenant: "umbrella", waiting: 99 });
    const { picks } = choose([...lanes, other], 36, { weightOf: (tenant) => (tenant === "acme" ? 2 : 1) });
    const counts = [...lanes, other].map((each) => picks.filter((pick) => pick === each).length);
    expect(counts).toEqual([18, 6, 12]);
  });

  it("is remembered from one look to the next", () => {
    const lanes = [lane({}), lane({ tenant: "umbrella" })];
    const first = choose(lanes, 1);
    const second = choose(lanes, 1, { turns: first.turns });
    expect([...first.picks, ...second.picks].map(({ tenant }) => tenant).toSorted()).toEqual(["acme", "umbrella"]);
  });

  it("is told to every lane that was looked at, so that the next look reads those that are due", () => {
    const [mine, other] = [lane({}), lane({})];
    const theirs = lane({ tenant: "umbrella" });
    const { left, turns } = choose([mine, other, theirs], 1);
    expect(left.map(({ lane: { tenant }, turn }) => [tenant, turn])).toEqual([
      ["acme", 1],
      ["acme", 1],
    ]);
    const told = [mine, other].map((each) => ({ ...each, turn: 1, ownTurn: 1 }));
    expect(choose([...told, theirs], 0, { turns }).left).toEqual([]);
  });

  it("is not saved up by a tenant that asked for nothing", () => {
    const busy = lane({ waiting: 1_000 });
    const { turns } = choose([busy], 500);
    const { picks } = choose([busy, lane({ tenant: "umbrella", waiting: 1_000 })], 10, { turns });
    expect(picks.filter(({ tenant }) => tenant === "acme").length).toBeGreaterThanOrEqual(4);
  });
});

describe("limits", () => {
  it("leave a lane blocked by the key that is full, and let the next one pass", () => {
    const [full, free] = [lane({ waitedSeconds: 9, ...under("few/rule/nightly", 2) }), lane({})];
    const { picks, left } = choose([full, free], 5, { taken: new Map([[countOf("acme", "few/rule/nightly"), 1]]) });
    expect(picks.filter((each) => each === full)).toHaveLength(1);
    expect(left.filter(({ blockedBy }) => blockedBy !== null)).toMatchObject([
      { lane: full, blockedBy: "few/rule/nightly" },
    ]);
  });

  it("bring back a lane that may go on, though there was no room for it", () => {
    const back = lane({ ...under("few/rule/nightly", 2), blockedBy: "few/rule/nightly" });
    expect(choose([back], 0).left).toMatchObject([{ lane: back, blockedBy: null }]);
  });

  it("are never passed, and no room stays empty while a lane may go on, whatever waits", () => {
    const keys = ["a/rule/x", "b/tenant/y", "c/repository/z"];
    const anyLane = fc.record({
      tenant: fc.constantFrom("acme", "umbrella"),
      fairnessKey: fc.constantFrom("", "shop"),
      priority: fc.integer({ min: 1, max: 5 }),
      waiting: fc.integer({ min: 1, max: 9 }),
      waitedSeconds: fc.integer({ min: 0, max: 2_000 }),
      keys: fc.subarray(keys),
    });
    const most = fc.dictionary(fc.constantFrom(...keys), fc.integer({ min: 0, max: 6 }));
    fc.assert(
      fc.property(fc.array(anyLane, { maxLength: 12 }), most, fc.integer({ min: 0, max: 30 }), (made, limits, room) => {
        const lanes = made.map((each) =>
          lane({
            ...each,
            limits: each.keys.flatMap((key) => (key in limits ? [{ key, most: limits[key] ?? 0 }] : [])),
          }),
        );
        const { picks } = choose(lanes, room);
        const used = new Map<string, number>();
        for (const { tenant, keys: own } of picks)
          for (const key of own) used.set(countOf(tenant, key), (used.get(countOf(tenant, key)) ?? 0) + 1);
        const isFull = (each: Lane) =>
          each.limits.some(({ key, most: number }) => (used.get(countOf(each.tenant, key)) ?? 0) >= number);
        for (const each of lanes) {
          const count = picks.filter((pick) => pick === each).length;
          expect(count).toBeLessThanOrEqual(each.waiting);
          for (const { key, most: number } of each.limits)
            expect(used.get(countOf(each.tenant, key)) ?? 0).toBeLessThanOrEqual(number);
          if (picks.length < room) expect(count === each.waiting || isFull(each)).toBe(true);
        }
        expect(picks.length).toBeLessThanOrEqual(room);
      }),
    );
  });
});
