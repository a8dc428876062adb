import { describe, expect, it } from "vitest";
import type { EventDraft } from "./chain-events.ts";
import { genesis } from "./chain-events.ts";
import { fitIntoLog, logBounds, logNotes } from "./log-bounds.ts";

const say = (n: number): EventDraft => ({ writerKey: `work/1/1/${n}`, message: { text: `line ${n}` } });
const at = (lastSequence: number, sizeBytes: number) => ({ ...genesis, lastSequence, sizeBytes });
const fitted = (head: ReturnType<typeof at>, drafts: EventDraft[], known: string[] = []) =>
  fitIntoLog(head, drafts, { known: new Set(known), contextBytes: 100 }).map(({ writerKey }) => writerKey);
const lines = [say(1), say(2), say(3)];
const keys = lines.map(({ writerKey }) => writerKey);

describe("the log of a run", () => {
  it("takes what there is room for", () => {
    expect(fitted(at(10, 1_000), lines)).toEqual(keys);
  });

  it.each([
    ["events", at(79_198, 0)],
    ["bytes", at(0, 0.8 * (logBounds.bytes - 33_554_432) - 1_000)],
  ])("says once that it is nearly full, at four fifths of its %s", (_, head) => {
    expect(fitted(head, lines)).toEqual([keys[0], keys[1], logNotes.nearlyFull, keys[2]]);
    expect(fitted(head, lines, [logNotes.nearlyFull])).toEqual(keys);
  });

  it.each([
    ["events", at(98_998, 0)],
    ["bytes", at(0, logBounds.bytes - 33_554_432 - 1_200)],
  ])("says that it is full before anything is left out, at its share of %s", (_, head) => {
    expect(fitted(head, lines, [logNotes.nearlyFull])).toEqual([keys[0], keys[1], logNotes.full]);
  });

  it("takes nothing of the work any more once it is full", () => {
    expect(fitted(at(10, 1_000), lines, [logNotes.full])).toEqual([]);
  });
});
