import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PersonaAsked, PersonaWorld, Worked } from "../support/worlds/persona-world.ts";
import { startPersonaWorld } from "../support/worlds/persona-world.ts";

const corpus = join(import.meta.dirname, "../corpus/personas");
const files = Object.fromEntries(readdirSync(corpus).map((name) => [name, readFileSync(join(corpus, name))]));
const secret = 'canary/+"0123456789';
const MiB = 1024 * 1024;

let world: PersonaWorld;
beforeAll(async () => {
  world = await startPersonaWorld([secret]);
});
afterAll(() => world.close());

const persona = async (
  name: string,
  words: readonly string[] = [],
  how: Partial<PersonaAsked> = {},
): Promise<Worked> => {
  const worked = await world.work({ files, argv: [`/persona/${name}.mjs`, ...words], ...how });
  expect(worked.survivors).toEqual([]);
  return worked;
};

describe("a persona that misbehaves comes to a typed end, and nothing of it survives:", () => {
  it.concurrent("one that ignores SIGTERM is killed after the grace", async () => {
    const stop = new AbortController();
    const tell = async ({ message }: { readonly message?: { readonly text?: string } }) => {
      if (message?.text === "ready") stop.abort();
    };
    const { end, texts } = await persona("ignores-sigterm", [], { signal: stop.signal, tell });
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", cause: "stopped" });
    expect(texts).toContain("SIGTERM is nothing to me");
  });

  it.concurrent("one that leaves daemons behind", async () => {
    const { end, texts } = await persona("leaves-processes");
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", cause: "" });
    expect(texts.join()).toContain("left five");
  });

  it.concurrent("one that forks without end", async () => {
    const { end } = await persona("forks", [], { limits: { processes: 40, timeMs: 4_000 } });
    expect(end).toMatchObject({ cause: "limit_exceeded", limit: { name: "processes" } });
  });

  it.concurrent("one that takes all memory", async () => {
    const { end } = await persona("allocates", [], { limits: { memoryBytes: 192 * MiB } });
    expect(end).toMatchObject({ cause: "limit_exceeded", limit: { name: "memory" } });
    expect(end.reason).toMatch(
      /limit of memory: 192 MiB are allowed, .* were seen \(limits\.memory_bytes of the policy/,
    );
  });

  it.concurrent("one that floods standard output", async () => {
    const { end, told } = await persona("floods-stdout", [], { limits: { outputBytes: 8 * MiB } });
    expect(end).toMatchObject({ cause: "limit_exceeded", limit: { name: "output", limit: String(8 * MiB) } });
    expect(end.log.byteLength).toBeLessThan(4.1 * MiB);
    expect(end.log.toString()).toContain("bytes were left out here");
    expect(told.length).toBeLessThan(100);
    expect(told.some(({ message }) => message?.truncated)).toBe(true);
  });

  it.concurrent("one that begins a hundred thousand escape sequences and ends none", async () => {
    const flood = `
      import { writeSync } from "node:fs";
      const text = "\\u001b]".repeat(128 * 1024);
      process.stdout.write(text + "\\nall of it was said\\n");
      for (let index = 0; index < 30; index += 1)
        writeSync(3, JSON.stringify({ type: "message", text: text.slice(0, 9_000) }) + "\\n");
      process.stderr.write(text);
    `;
    const { end, texts } = await persona("floods", [], { files: { "floods.mjs": flood } });
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", cause: "" });
    expect(texts.join("\n")).toContain("all of it was said");
  });

  it.concurrent("one that floods its channel", async () => {
    const { end, told } = await persona("floods-channel", ["20000"]);
    expect(end).toMatchObject({ cause: "" });
    expect(told.length).toBeLessThan(5_002);
    const marked = told.filter(({ message }) => message?.truncated);
    expect(marked.map(({ message }) => message?.text)).toEqual([
      expect.stringMatching(/^events left out .*: \d+; taken/),
    ]);
    const leftOut = Number(/: (\d+);/.exec(marked[0]?.message?.text ?? "")?.[1]);
    expect(leftOut + told.length - 1).toBe(20_000);
  });

  it.concurrent("one that writes gigabytes", async () => {
    const { end } = await persona("writes-gigabytes", [], { limits: { diskBytes: 32 * MiB } });
    expect(end).toMatchObject({ cause: "limit_exceeded", limit: { name: "disk" } });
  });

  it.concurrent("one that dies by a signal", async () => {
    const { end } = await persona("dies");
    expect(end).toMatchObject({ cause: "step_failed", reason: "it was ended by SIGSEGV; it said last: about to fall" });
    expect(end.exitCode).toBeUndefined();
  });

  it.concurrent("one that hangs", async () => {
    const { end } = await persona("hangs", [], { limits: { idleMs: 1_000 } });
    expect(end).toMatchObject({ cause: "stalled", limit: { name: "idle", limit: "1000" } });
    expect(end.reason).toMatch(/1 s are allowed/);
  });

  it.concurrent("one that runs for too long", async () => {
    const { end } = await persona("ignores-sigterm", [], { limits: { timeMs: 1_000 } });
    expect(end).toMatchObject({ cause: "limit_exceeded", limit: { name: "time" } });
  });

  it.concurrent.each([
    "lifecycle.completed",
    "StatusChanged",
    "verdict",
    "usage",
    "policy.violation",
    "file.changed",
    "tool.approved",
    "step",
  ])("one that forges an event of type %s", async (type) => {
    const after = JSON.stringify({ type: "message", text: "all tests passed" });
    const { end, texts } = await persona("sends", [JSON.stringify({ type, status: "COMPLETED" }), after]);
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", cause: "protocol_error" });
    expect(end.reason).toContain(`"${type}", which only the host may send`);
    expect(texts).toEqual([]);
  });

  it.concurrent("one that sends what nobody can read is told so once, and goes on", async () => {
    const lines = [
      "no json",
      "[1]",
      '{"text":"x"}',
      '{"type":"dance"}',
      '{"type":"message","text":7}',
      '{"type":"progress","percent":700}',
      '{"type":"plan","items":[{"done":true}]}',
      '{"type":"message","text":"a\\u0000b\\ud800c\\u001b[31md"}',
    ];
    const { end, told } = await persona("sends", lines);
    expect(end.cause).toBe("");
    expect(told).toEqual([
      { message: { text: "ab\ufffdcd", stepId: "mend" } },
      {
        message: {
          text: "lines left out that are not events a persona may send: 7; line 1 is not JSON",
          stepId: "mend",
          truncated: true,
        },
      },
    ]);
  });

  it.concurrent("one that prints a secret, in pieces, encoded and on its channel", async () => {
    const { end, told } = await persona("prints-secret");
    expect(end.cause).toBe("");
    const all = [JSON.stringify(told), end.log.toString(), end.transcript?.toString() ?? "", end.reason].join("\n");
    for (const form of [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      ...["", "a", "ab"].map((before) =>
        Buffer.from(before + secret)
          .toString("base64")
          .slice(4, -4),
      ),
      Buffer.from(secret).toString("base64url"),
    ])
      expect(all).not.toContain(form);
    expect(end.log.toString().match(/\[redacted\]/g)?.length).toBe(9);
    expect(end.transcript?.toString()).toContain('{"type":"result","result":{"[redacted]":"[redacted]"}}');
  });

  it.concurrent("one that sends a line of 10 MB", async () => {
    const { end, told } = await persona("sends-long-line");
    expect(end.cause).toBe("");
    expect(told).toHaveLength(2);
    expect(told[0]?.message).toMatchObject({
      truncated: true,
      text: expect.stringMatching(/^\{"type":"message","text":"xxx/),
    });
    expect(JSON.stringify(told[0]).length).toBeLessThan(64 * 1024);
    expect(told[1]?.message?.text).toBe("after it");
  });

  it.concurrent("one that closes its channel", async () => {
    const { end, texts } = await persona("closes-channel");
    expect(end.cause).toBe("");
    expect(texts).toEqual(["before", "after"]);
  });

  it.concurrent.each([
    [["10", "which account?"], "needs_human", "which account?"],
    [["10"], "needs_human", "a human has to decide; it does not say what"],
    [["20", "too hard"], "gave_up", "too hard"],
    [["30", "50 turns"], "limit_exceeded", "50 turns"],
    [["99"], "step_failed", "it ended with exit code 99"],
    [["1", "oops"], "step_failed", "it ended with exit code 1; it said last: oops"],
  ])("one that exits with %j", async (words, cause, reason) => {
    const { end } = await persona("exits-with", words);
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", exitCode: Number(words[0]), cause, reason });
  });
});

describe("a result", () => {
  const schema = (text: object) => ({ files: { ...files, "s.json": JSON.stringify(text) }, outputSchema: "s.json" });
  const noted = { type: "object", properties: { noted: { type: "string", pattern: "^(a+)+$" } }, required: ["noted"] };
  const result = (value: unknown) => JSON.stringify({ type: "result", result: value });

  it.concurrent("that meets its schema is good", async () => {
    const { end } = await persona("sends", [result({ noted: "aa" })], schema(noted));
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", cause: "" });
  });

  it.concurrent.each([
    ["is missing", [], noted, /without a result; s\.json of its bundle asks for one/],
    [
      "has another type",
      [result({ noted: 7 })],
      noted,
      /result\/noted must be string .*rule #\/properties\/noted\/type/,
    ],
    ["lacks a field", [result({})], noted, /must have required property 'noted'/],
    ["is no object", [result([1])], noted, /must be a JSON object/],
    ["was sent twice", [result({ noted: "a" }), result({ noted: "a" })], noted, /sent 2 results/],
    [
      "takes for ever to check",
      [result({ noted: `${"a".repeat(60)}b` })],
      noted,
      /can't be checked within 2000 ms of CPU/,
    ],
    ["has a schema that leads away", [result({})], { $ref: "https://example.com/s.json" }, /can't resolve reference/],
    ["has a schema that promises", [result({ noted: 7 })], { $async: true, ...noted }, /must be string/],
  ])("that %s fails the step", async (_, lines, text, reason) => {
    const { end } = await persona("sends", lines as string[], schema(text));
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", exitCode: 0, cause: "invalid_result" });
    expect(end.reason).toMatch(reason);
  });
});
