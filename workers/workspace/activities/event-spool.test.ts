import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { SendReport } from "./event-spool.ts";
import { createEventSpool } from "./event-spool.ts";

const message = (text: string) => ({ message: { text } });
const never = () => false;

/** An api that keeps what it is sent, and answers when it is told to. */
function anApi() {
  const reports: Parameters<SendReport>[0][] = [];
  const answers: (() => void)[] = [];
  const send: SendReport = (report) => {
    reports.push(report);
    return new Promise((done) => answers.push(() => done({ baseCommit: report.baseCommit ?? "" })));
  };
  return { reports, send, answer: () => answers.shift()?.(), waits: () => answers.length > 0 };
}

async function until(claim: () => boolean): Promise<void> {
  while (!claim()) await nextTurn();
}

it("sends what was told in order, numbered, and flush settles when the api has it", async () => {
  const api = anApi();
  const spool = createEventSpool({ send: api.send, isFinal: never, signal: new AbortController().signal });
  await spool.tell(message("one"));
  await spool.tell(message("two"));
  const flushed = spool.flush({ baseCommit: "c0" });
  await until(api.waits);
  api.answer();
  expect(await flushed).toEqual({ baseCommit: "c0" });
  expect(api.reports).toEqual([
    {
      events: [
        { n: "1", message: { text: "one" } },
        { n: "2", message: { text: "two" } },
      ],
      baseCommit: "c0",
    },
  ]);
});

it("lets its writer wait while it is full, and drops nothing", async () => {
  const api = anApi();
  const spool = createEventSpool({ send: api.send, isFinal: never, signal: new AbortController().signal });
  let told = 0;
  const writing = (async () => {
    for (; told < 1_500; told += 1) await spool.tell(message(`${told}`));
  })();
  await until(api.waits);
  expect(told).toBe(999); // the thousandth waits
  while (told < 1_500) {
    api.answer();
    await nextTurn();
  }
  await writing;
  const flushed = spool.flush();
  const answering = setInterval(api.answer, 1);
  await flushed;
  clearInterval(answering);
  const numbers = api.reports.flatMap(({ events }) => events.map(({ n }) => Number(n)));
  expect(numbers).toEqual(Array.from({ length: 1_500 }, (_, index) => index + 1));
});

it("keeps what is told while a batch is on its way", async () => {
  const api = anApi();
  const spool = createEventSpool({ send: api.send, isFinal: never, signal: new AbortController().signal });
  await spool.tell(message("one"));
  const flushed = spool.flush();
  await until(api.waits);
  await spool.tell(message("two"));
  api.answer();
  await until(api.waits);
  api.answer();
  await flushed;
  expect(api.reports.flatMap(({ events }) => events.map(({ n }) => n))).toEqual(["1", "2"]);
});

it("sends the same batch again after a failure that passes, and gives up at an answer that stays", async () => {
  const reports: number[] = [];
  const send: SendReport = async ({ events }) => {
    reports.push(events.length);
    throw new Error(reports.length === 1 ? "away" : "superseded");
  };
  const isFinal = (error: unknown) => (error as Error).message === "superseded";
  const spool = createEventSpool({ send, isFinal, signal: new AbortController().signal });
  await spool.tell(message("one"));
  await expect(spool.flush()).rejects.toThrow("superseded");
  expect(reports).toEqual([1, 1]);
  await expect(spool.tell(message("two"))).rejects.toThrow("superseded");
});

it("ends with its signal, whatever it waits for", async () => {
  const ending = new AbortController();
  const api = anApi();
  const send: SendReport = (report, signal) =>
    Promise.race([
      api.send(report, signal),
      new Promise<never>((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))),
    ]);
  const spool = createEventSpool({ send, isFinal: never, signal: ending.signal });
  await spool.tell(message("one"));
  const flushed = spool.flush();
  await until(api.waits);
  ending.abort(new Error("the work is lost"));
  await expect(flushed).rejects.toThrow("the work is lost");
});
