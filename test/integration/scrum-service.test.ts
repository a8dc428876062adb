import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Board } from "../../examples/scrum-service/board.ts";
import type { Phase } from "../../src/methodology/methodology.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import type { Changes, MethodName, RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { scrumAt, scrumCall, startScrumService, statementSha256 } from "../support/engines/scrum-service-process.ts";

let service: RunningScrumService;
let keys = 0;

beforeAll(async () => {
  service = await startScrumService();
});
afterAll(() => service?.end());
beforeEach(async () => {
  await service.door("DELETE", "/behaviour");
});

describe("the hand-off to a Scrum service", () => {
  it("is provisional when tried and held for good when confirmed, with the ids that the service gave", async () => {
    const key = newKey();
    const tried = await service.send("AttachIncrementEvidence", "TRY", key);
    expect(tried).toMatchObject({ state: "ACKNOWLEDGED", answer: { incrementId: expect.stringMatching(/^INC-\d+$/) } });
    const [returned] = tried.state === "ACKNOWLEDGED" ? tried.returned : [];
    expect(returned).toMatchObject({ kind: "increment", parent: { kind: "product", id: "webshop" } });
    const before = await service.board();
    expect(before.provisional).toMatchObject([{ tenant: "acme", key, method: "AttachIncrementEvidence" }]);
    expect(evidenceKeys(before)).not.toContain(key);

    expect(await service.send("AttachIncrementEvidence", "CONFIRM", key)).toEqual(tried);
    const after = await service.board();
    expect(after.provisional).toEqual([]);
    const increment = after.held.increments.find(({ id }) => id === returned?.id);
    expect(increment).toMatchObject({ tenant: "acme", product: "webshop", sprint: "S-7" });
    expect(increment?.evidence.find((each) => each.key === key)).toMatchObject({
      runId: "run-1",
      goals: ["G-1"],
      vsa: { statementSha256, verdict: { passed: true, level: "SCRUM_DEFINITION_OF_DONE" } },
    });
  });

  it("goes to the one increment of a sprint, and to the increment that is named", async () => {
    const increments = await Promise.all([
      returnedId("AttachIncrementEvidence", { sprint: "S-9" }),
      returnedId("AttachIncrementEvidence", { sprint: "S-9" }),
      returnedId("AttachIncrementEvidence", { sprint: "S-10" }),
      returnedId("AttachIncrementEvidence", { increment: "INC-ours" }),
    ]);
    expect(new Set(increments).size).toBe(3);
    expect(increments[1]).toBe(increments[0]);
    expect(increments[3]).toBe("INC-ours");
  });

  it("is answered the same when it comes again, and takes effect once", async () => {
    const key = newKey();
    const body = { backlogItems: ["PBI-again"] };
    for (const phase of ["TRY", "TRY", "CONFIRM", "CONFIRM", "TRY"] as const)
      expect(await service.send("RecordItemDone", phase, key, { body })).toMatchObject({
        state: "ACKNOWLEDGED",
        returned: [],
      });
    const { held } = await service.board();
    const items = held.doneItems.filter(({ backlogItem }) => backlogItem === "PBI-again");
    expect(items).toMatchObject([{ records: [{ key, sprint: "S-7", definitionOfDone: "team-dod" }] }]);
  });

  it("is refused, in words, when it does not fit what came before", async () => {
    const [confirmed, cancelled, never] = [newKey(), newKey(), newKey()];
    await service.send("RecordItemDone", "TRY", confirmed);
    expect(await service.send("RecordItemDone", "TRY", confirmed, { body: { sprint: "S-8" } })).toMatchObject(
      refused("already_exists"),
    );
    expect(await service.send("RaiseImpediment", "CONFIRM", confirmed)).toMatchObject(refused("already_exists"));
    await service.send("RecordItemDone", "CONFIRM", confirmed);
    expect(await service.send("RecordItemDone", "CANCEL", confirmed)).toMatchObject(refused("failed_precondition"));
    expect(await service.send("RecordItemDone", "CONFIRM", never)).toEqual(
      refused("not_found", "no try of this key is held, so there is nothing to confirm; it never came, or it expired"),
    );
    expect(await service.send("RecordItemDone", "CANCEL", cancelled)).toMatchObject({
      state: "ACKNOWLEDGED",
      answer: {},
    });
    expect(await service.send("RecordItemDone", "TRY", cancelled)).toEqual(
      refused("failed_precondition", "the key was cancelled, so a try of it comes too late"),
    );
    expect(await service.send("RecordItemDone", "CONFIRM", cancelled)).toMatchObject(refused("failed_precondition"));
  });

  it("of one tenant does not touch the same key of another", async () => {
    const key = newKey();
    await service.send("RecordItemDone", "TRY", key);
    expect(await service.send("RecordItemDone", "CONFIRM", key, { meta: { tenant: "globex" } })).toMatchObject(
      refused("not_found"),
    );
    expect(await service.send("RecordItemDone", "CONFIRM", key)).toMatchObject({ state: "ACKNOWLEDGED" });
  });

  it("counts for nothing when the verdict did not pass", async () => {
    const meta = { vsa: { statementSha256, verdict: { passed: false } } };
    for (const method of ["AttachIncrementEvidence", "RecordItemDone"] as const)
      expect(await service.send(method, "TRY", newKey(), { meta: meta })).toMatchObject(refused("failed_precondition"));
    expect((await service.board()).provisional).toEqual([]);
  });

  it.each<[string, MethodName, Changes, string]>([
    ["without a key", "RecordItemDone", { meta: { idempotencyKey: "" } }, "meta.idempotencyKey"],
    ["without a phase", "RecordItemDone", { phase: "UNSPECIFIED" }, "meta.phase"],
    ["without an org", "RecordItemDone", { meta: { org: "" } }, "meta.org"],
    ["that expires before time", "RecordItemDone", { meta: { expiresAt: "0001-01-01T00:00:00Z" } }, "meta.expiresAt"],
    ["with no item that is done", "RecordItemDone", { body: { backlogItems: [] } }, "backlogItems"],
    ["with a digest that is none", "RecordItemDone", { meta: { vsa: { statementSha256: "abc" } } }, "statementSha256"],
    ["for no increment", "AttachIncrementEvidence", { body: { sprint: "" } }, "sprint"],
    ["of an impediment without a cause", "RaiseImpediment", { body: { cause: "" } }, "cause"],
  ])("%s is refused as not understood, with the field", async (_, method, changes, field) => {
    const answer = await service.send(method, "TRY", newKey(), changes);
    expect(answer).toMatchObject(refused("invalid_argument"));
    expect(answer).toMatchObject({ reason: expect.stringContaining(field) });
  });

  it("that was tried and has expired is dropped, so that nothing is confirmed on it", async () => {
    const key = newKey();
    const soon = { expiresAt: new Date(Date.now() + 1_000).toISOString() };
    expect(await service.send("RecordItemDone", "TRY", key, { meta: soon })).toMatchObject({ state: "ACKNOWLEDGED" });
    await expect.poll(async () => (await service.board()).provisional, { timeout: 60_000 }).toEqual([]);
    expect(await service.send("RecordItemDone", "CONFIRM", key, { meta: soon })).toMatchObject(refused("not_found"));
  });

  it("raises one impediment per record of ours, however often it comes up", async () => {
    const raise = async (occurrences: number, summary: string) => {
      const key = newKey();
      const body = { impedimentId: "our-1", occurrences, summary };
      const meta = { runId: `run-${occurrences}` };
      const tried = await service.send("RaiseImpediment", "TRY", key, { body, meta });
      expect(await service.send("RaiseImpediment", "CONFIRM", key, { body, meta })).toEqual(tried);
      return tried;
    };
    const first = await raise(1, "no test result");
    expect(first).toMatchObject({ returned: [{ kind: "impediment", id: expect.stringMatching(/^IMP-\d+$/) }] });
    expect(await raise(2, "still no test result")).toEqual(first);
    const { held } = await service.board();
    expect(held.impediments.filter(({ impedimentId }) => impedimentId === "our-1")).toMatchObject([
      {
        occurrences: 2,
        summary: "still no test result",
        runIds: ["run-1", "run-2"],
        lines: [{ state: "LINE_STATE_MISSING" }],
      },
    ]);
  });

  it("never shows as held what no confirm was answered for, whatever comes in whatever order", async () => {
    const random = seeded(20_260_301);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const fresh = Array.from({ length: 30 }, newKey);
    const answered = new Map<string, Set<Phase>>(fresh.map((key) => [key, new Set()]));
    for (let step = 0; step < 250; step += 1) {
      const key = pick(fresh);
      const phase = pick(["TRY", "TRY", "CONFIRM", "CANCEL"] as const);
      const answer = await service.send("AttachIncrementEvidence", phase, key);
      if (answer.state === "ACKNOWLEDGED") answered.get(key)?.add(phase);
    }
    const { provisional } = await service.board();
    const shown = evidenceKeys(await service.board());
    const confirmed = fresh.filter((key) => answered.get(key)?.has("CONFIRM"));
    expect(confirmed.length).toBeGreaterThan(3);
    expect(shown.filter((key) => fresh.includes(key)).sort()).toEqual(confirmed.sort());
    for (const key of confirmed) {
      expect(answered.get(key)).toContain("TRY");
      expect(answered.get(key)).not.toContain("CANCEL");
    }
    const open = fresh.filter((key) => answered.get(key)?.has("TRY") && answered.get(key)?.size === 1);
    expect(provisional.map(({ key }) => key).sort()).toEqual(open.sort());
    for (const key of open) await service.send("AttachIncrementEvidence", "CANCEL", key);
  });
});

describe("a Scrum service that misbehaves", () => {
  it("refuses with its reason, as often as it was told to, and takes the call after that", async () => {
    await service.tell({
      method: "RecordItemDone",
      phase: "try",
      action: "refuse",
      reason: "the sprint is closed",
      calls: 1,
    });
    const key = newKey();
    const no = await service.send("RecordItemDone", "TRY", key);
    expect(no).toEqual(refused("failed_precondition", "the sprint is closed"));
    expect(await service.send("RecordItemDone", "TRY", key)).toMatchObject({ state: "ACKNOWLEDGED" });
    await service.send("RecordItemDone", "CANCEL", key);
  });

  it("leaves a call unanswered when it is too slow, and knows it when it is asked again", async () => {
    await service.tell({ phase: "try", action: "delay", delayMs: 600, calls: 1 });
    const key = newKey();
    const slow = await service.send("RecordItemDone", "TRY", key, { timeoutMs: 150 });
    expect(slow).toMatchObject({ state: "UNANSWERED", error: expect.stringContaining("DeadlineExceeded") });
    await expect
      .poll(async () => (await service.board()).provisional.map((each) => each.key), { timeout: 60_000 })
      .toEqual([key]);
    expect(await service.send("RecordItemDone", "CONFIRM", key)).toMatchObject({ state: "ACKNOWLEDGED" });
  });

  it("leaves a call unanswered when its reply is lost; asked again, it has done it once", async () => {
    await service.tell({ phase: "confirm", action: "lose_reply", calls: 1 });
    const key = newKey();
    const tried = await service.send("AttachIncrementEvidence", "TRY", key);
    expect(await service.send("AttachIncrementEvidence", "CONFIRM", key)).toMatchObject({ state: "UNANSWERED" });
    expect(evidenceKeys(await service.board()).filter((each) => each === key)).toHaveLength(1);
    expect(await service.send("AttachIncrementEvidence", "CONFIRM", key)).toEqual(tried);
    expect(evidenceKeys(await service.board()).filter((each) => each === key)).toHaveLength(1);
  });

  it("refuses a confirm when it forgot the try", async () => {
    await service.tell({ phase: "confirm", action: "forget", calls: 1 });
    const key = newKey();
    await service.send("RecordItemDone", "TRY", key);
    expect(await service.send("RecordItemDone", "CONFIRM", key)).toMatchObject(refused("not_found"));
  });

  it("shows what it was told, until that is cleared", async () => {
    const told = { action: "refuse", method: "*", phase: "cancel", reason: "no" };
    expect(await (await service.tell(told)).json()).toEqual({ behaviours: [told] });
    expect(await (await service.door("DELETE", "/behaviour")).json()).toEqual({ behaviours: [] });
  });
});

describe("a Scrum service that can't be asked", () => {
  const call = scrumCall("RecordItemDone", "TRY", "k");
  const options = { timeoutMs: 2_000, signal: new AbortController().signal };

  it("that is down leaves the call unanswered, to be made again", async () => {
    const [port = 0] = await freePorts(1);
    const down = scrumAt(`http://127.0.0.1:${port}`);
    expect(await down.send(call, options)).toMatchObject({
      state: "UNANSWERED",
      error: expect.stringMatching(/Unavailable.*ECONNREFUSED.*check that the service runs/),
    });
  });

  it("because it does not take our token, or we have none, leaves the call unanswered and says where to look", async () => {
    const wrong = scrumAt(service.url, { readToken: () => "another token" });
    const answer = await wrong.send(call, options);
    expect(answer).toMatchObject({ state: "UNANSWERED", error: expect.stringMatching(/Unauthenticated.*token file/) });
    expect(JSON.stringify(answer)).not.toContain("another token");
    const none = scrumAt(service.url, {
      readToken: () => {
        throw new Error("no such token file");
      },
    });
    expect(await none.send(call, options)).toMatchObject({
      state: "UNANSWERED",
      error: expect.stringContaining("no such token file"),
    });
  });

  it("because something else is at its endpoint leaves the call unanswered", async () => {
    const elsewhere = scrumAt(`${service.url}/elsewhere`);
    expect(await elsewhere.send(call, options)).toMatchObject({
      state: "UNANSWERED",
      error: expect.stringMatching(/Unimplemented.*check the endpoint/),
    });
  });

  it("because we were told to stop leaves the call unanswered", async () => {
    await service.tell({ action: "delay", delayMs: 300, calls: 1 });
    const abort = new AbortController();
    const pending = service.send("RecordItemDone", "CANCEL", newKey(), { signal: abort.signal });
    abort.abort();
    expect(await pending).toMatchObject({ state: "UNANSWERED", error: expect.stringContaining("Canceled") });
  });
});

function newKey(): string {
  keys += 1;
  return `key-${keys}`;
}

/** Id that a try gives, which is then cancelled. */
async function returnedId(method: MethodName, body: Changes["body"]): Promise<string | undefined> {
  const key = newKey();
  const answer = await service.send(method, "TRY", key, { body });
  await service.send(method, "CANCEL", key, { body });
  return answer.state === "ACKNOWLEDGED" ? answer.returned[0]?.id : undefined;
}

function refused(code: string, reason: unknown = expect.stringMatching(/\w/)) {
  return { state: "REFUSED", code, reason };
}

function evidenceKeys({ held }: Board): string[] {
  return held.increments.flatMap(({ evidence }) => evidence.map(({ key }) => key));
}

/** Mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
