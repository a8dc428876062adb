import { describe, expect, it } from "vitest";
import { createRedactor } from "../redact.ts";
import type { Tell } from "../step-end.ts";
import { createRunEvents } from "./run-events.ts";

const listening = () => {
  const told: Parameters<Tell>[0][] = [];
  const clock = { ms: 0 };
  let forgeries = 0;
  const events = createRunEvents({
    stepId: "mend",
    redactor: createRedactor(["a-secret"]),
    tell: async (event) => void told.push(event),
    now: () => new Date(clock.ms),
    onForged: () => (forgeries += 1),
  });
  const send = (...lines: readonly unknown[]) =>
    events.onChannel(
      Buffer.from(lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("")),
    );
  return { events, told, send, clock, forgeries: () => forgeries };
};
const jsonBytes = (event: object) => Buffer.byteLength(JSON.stringify(event));

describe("run-events/1", () => {
  it("makes an event of each line, whatever its pieces are", async () => {
    const { events, told } = listening();
    const text = [
      { type: "message", text: "grüß dich" },
      { type: "plan", items: [{ text: "one" }, { text: "two", done: true }], other: 1 },
      { type: "tool.requested", name: "append", detail: "NOTES.md" },
      { type: "tool.completed", name: "append" },
      { type: "artifact", path: "NOTES.md", title: "notes" },
      { type: "progress", percent: 49.6, text: "half" },
      { type: "result", result: { noted: "x" } },
    ]
      .map((line) => JSON.stringify(line))
      .join("\n");
    for (const byte of Buffer.from(text)) await events.onChannel(Buffer.from([byte]));
    const said = await events.end();
    expect(told).toEqual([
      { message: { text: "grüß dich", stepId: "mend" } },
      {
        plan: {
          stepId: "mend",
          items: [
            { text: "one", done: false },
            { text: "two", done: true },
          ],
        },
      },
      { tool: { stepId: "mend", name: "append", phase: "TOOL_PHASE_REQUESTED", detail: "NOTES.md" } },
      { tool: { stepId: "mend", name: "append", phase: "TOOL_PHASE_COMPLETED", detail: "" } },
      { artifact: { stepId: "mend", path: "NOTES.md", title: "notes" } },
      { progress: { stepId: "mend", percent: 50, text: "half" } },
    ]);
    expect(said).toMatchObject({ results: ['{"noted":"x"}'], lastMessage: "grüß dich", forged: undefined });
    expect(
      said.transcript
        .toString()
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([...told, { type: "result", result: { noted: "x" } }]);
  });

  it("keeps every event within 64 KiB, whatever its letters are", async () => {
    const { told, send } = listening();
    for (const letter of ['"', "\u20ac", "\ud83d\ude00", "\n"]) {
      const long = letter.repeat(Math.floor(60_000 / (Buffer.byteLength(JSON.stringify(letter)) - 2)));
      await send(
        { type: "message", text: long },
        { type: "tool.output", name: long, detail: "" },
        { type: "progress", percent: 1, text: long },
      );
      await send({ type: "artifact", path: long, title: "" }, { type: "plan", items: [{ text: long }] });
    }
    await send({
      type: "plan",
      items: Array.from({ length: 200 }, () => ({ text: "\u20ac".repeat(100) })).slice(0, 190),
    });
    expect(told).toHaveLength(21);
    for (const event of told) expect(jsonBytes(event)).toBeLessThan(64 * 1024);
    expect(told[0]?.message?.truncated).toBe(true);
  });

  it("shows a line over 64 KiB cut, holds no more of it, and reads on", async () => {
    const { events, told, send } = listening();
    for (let index = 0; index < 200; index += 1) await events.onChannel(Buffer.alloc(64 * 1024, "x"));
    await send("", { type: "message", text: "next" });
    expect(told.map(({ message }) => [message?.truncated, message?.text?.slice(0, 4)])).toEqual([
      [true, "xxxx"],
      [undefined, "next"],
    ]);
  });

  it("takes 400 at once and 200 a second, and says how many it left out", async () => {
    const { events, told, send, clock } = listening();
    const many = Array.from({ length: 1_000 }, (_, index) => ({ type: "message", text: `${index}` }));
    await send(...many);
    expect(told).toHaveLength(400);
    clock.ms += 1_000;
    await send(...many);
    expect(told).toHaveLength(600);
    const { lastMessage } = await events.end();
    expect(lastMessage).toBe("999");
    expect(told.at(-1)?.message).toMatchObject({
      truncated: true,
      text: expect.stringMatching(/^events left out because they were too many: 1400; /),
    });
  });

  it("takes 5,000 in all", async () => {
    const { events, told, send, clock } = listening();
    for (let index = 0; index < 6_000; index += 1) {
      clock.ms += 5;
      await send({ type: "progress", percent: 1 });
    }
    await send({ type: "result", result: {} });
    const { results } = await events.end();
    expect(told).toHaveLength(5_001);
    expect(results).toEqual(["{}"]);
  });

  it("takes 8 MiB in all", async () => {
    const { told, send, clock } = listening();
    for (let index = 0; index < 600; index += 1) {
      clock.ms += 5;
      await send({ type: "message", text: "x".repeat(16_000) });
    }
    expect(told.length).toBeGreaterThan(500);
    expect(told.reduce((sum, event) => sum + jsonBytes(event), 0)).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  it("hears nothing more of who speaks for the host", async () => {
    const { events, told, send, forgeries } = listening();
    await send(
      { type: "message", text: "before" },
      { type: "Lifecycle_Completed" },
      { type: "usage" },
      { type: "message", text: "after" },
    );
    const { forged } = await events.end();
    expect(forged).toBe("Lifecycle_Completed");
    expect(forgeries()).toBe(1);
    expect(told).toHaveLength(1);
  });

  it("hides secrets in every text", async () => {
    const { events, told, send } = listening();
    await send(
      { type: "message", text: "a-secret" },
      '{"type":"tool.output","name":"a\\u002dsecret","detail":"x a-sec\\u001b[0mret"}',
      { type: "plan", items: [{ text: "a-secret" }] },
      { type: "artifact", path: "a-secret", title: "a-secret" },
      { type: "progress", percent: 1, text: Buffer.from("a-secret").toString("base64") },
      '{"type":"result","result":{"a\\u002dsecret":["a-secret"]}}',
    );
    const said = await events.end();
    expect(JSON.stringify([told, said, said.transcript.toString()])).not.toMatch(/a-secret|YS1zZWNyZX/);
  });

  it("gives a result that is nested too deep for what it is", async () => {
    const { events, send } = listening();
    await send(`{"type":"result","result":${"[".repeat(30_000)}${"]".repeat(30_000)}}`);
    const { results } = await events.end();
    expect(results).toHaveLength(1);
  });

  it("reads no more than 100,000 lines", async () => {
    const { events, send } = listening();
    await send("x\n".repeat(100_000));
    await send({ type: "result", result: {} });
    expect((await events.end()).results).toEqual([]);
  });

  it("lets others have their turn", async () => {
    const { send } = listening();
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    await send("{\n".repeat(50_000));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });

  it("is heard when the host's clock is set back", async () => {
    const { told, send, clock } = listening();
    clock.ms = 3_600_000;
    await send({ type: "message", text: "before" });
    clock.ms = 0;
    await send({ type: "message", text: "after" });
    expect(told).toHaveLength(2);
  });

  it("counts results, and keeps one", async () => {
    const { events, send } = listening();
    await send(...Array.from({ length: 3 }, (_, n) => ({ type: "result", result: { n } })));
    const { results, transcript } = await events.end();
    expect(results).toEqual(['{"n":0}', "", ""]);
    expect(transcript.toString()).toBe('{"type":"result","result":{"n":0}}\n');
  });
});
