import { describe, expect, it } from "vitest";
import { createEntryReader, jsonLine, prettyLines } from "./log-entry.ts";

const read = (...lines: string[]) => createEntryReader("api")(lines);
const pretty = (...lines: string[]) => read(...lines).flatMap((entry) => prettyLines(entry, 8, "2026-01-31"));

describe("a line of a log", () => {
  it("is shown with its time, process, level, message and fields", () => {
    const line = `{"level":40,"time":"2026-01-31T12:00:00.120Z","process":"api","runId":"r1","n":[1],"msg":"it waits"}`;
    expect(pretty(line)).toEqual(["12:00:00.120  api       WARN   it waits  runId=r1  n=[1]"]);
    expect(read(line).map(jsonLine)).toEqual([line]);
  });

  it.each([
    ["2026-01-31 12:00:00.120 UTC [7] FATAL:  no", "fatal", "2026-01-31T12:00:00.120Z"],
    ["2026-01-31T13:00:00.120+01:00 [main] WARN kafka - no", "warn", "2026-01-31T12:00:00.120Z"],
    ['{"level":"error","ts":"2026-01-31T12:00:00.120Z","msg":"no"}', "error", "2026-01-31T12:00:00.120Z"],
    ["no time", "info", undefined],
  ])("of an engine has its time and level: %s", (line, level, time) => {
    expect(read(line)).toMatchObject([{ level, at: time && Date.parse(time) }]);
  });

  it("takes what is indented below along, and an error's stack", () => {
    const [entry] = read("2026-01-31T12:00:00Z ERROR it broke", "    at main (x.ts:1:1)", "}");
    expect(entry?.more).toHaveLength(2);
    expect(JSON.parse(jsonLine(entry as never)).msg.split("\n")).toHaveLength(3);
    const err = { type: "Error", message: "no", stack: "Error: no\n    at main" };
    expect(pretty(JSON.stringify({ level: 50, time: 0, err, msg: "it broke" })).slice(-1)).toEqual(["        at main"]);
  });

  it("can neither steer a terminal nor look like another one", () => {
    const forged = "x\n12:00:00.000  relay     INFO   forged\u001b[2J\u202e";
    const lines = pretty(JSON.stringify({ level: 30, time: "2026-01-31T12:00:00Z", msg: forged, [forged]: forged }));
    expect(lines).toHaveLength(1);
    for (const hidden of ["\u001b", "\u202e", "\n"]) expect(lines[0]).not.toContain(hidden);
    const json = read(`{"msg":"\u001b[2J"}`, "text \u001b[2J\u202e").map(jsonLine);
    for (const line of json) expect(line).toMatch(/^[\x20-\x7e]+$/);
  });

  it("is cut when it is endless", () => {
    expect(pretty("x".repeat(100_000))[0]?.length).toBeLessThan(5_000);
  });
});
