import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot } from "../../workers/workspace/sandbox/slots.ts";
import type { StagedBoxes } from "../support/worlds/boxes.ts";
import { stageBoxes } from "../support/worlds/boxes.ts";
import type { Attempt } from "./scripts/attempt-escapes.ts";

/** Each program's header says what it tries and how it must end: `refused: <expression over its output>`, `ends: <limit>` or `stops: <signal>`. */
const corpus = join(import.meta.dirname, "../corpus/escapes");
const programs = readdirSync(corpus)
  .sort()
  .map((name) => {
    const header = readFileSync(join(corpus, name), "utf8").split("\n").slice(0, 2);
    const [tries = "", [, kind, expected] = []] = [
      header[0]?.replace(/^(#|\/\/) /, ""),
      /^(?:#|\/\/) (refused|ends|stops): (.+)$/.exec(header[1] ?? "") ?? [],
    ];
    return { name, tries, kind, expected };
  });

let staged: StagedBoxes;
beforeAll(() => {
  staged = stageBoxes();
});
afterAll(() => staged.remove());

it("keeps at least 25 escape attempts, each with the refusal that it expects", () => {
  expect(programs.length).toBeGreaterThanOrEqual(25);
  expect(programs.filter(({ kind, expected }) => kind === undefined || expected === undefined)).toEqual([]);
});

// class uid gives each slot a host user of its own, which only root can
describe.skipIf(!isRoot())("class uid (skipped unless the tests run as root)", () => suite("root"));
describe("class userns", () => suite("ordinary user"));

function suite(as: "root" | "ordinary user"): void {
  const attempts = new Map<string, Attempt>();

  beforeAll(async () => {
    const canary = { WORKER_CANARY: "WORKER_CANARY" };
    const child = staged.start("test/workspace/scripts/attempt-escapes.ts", [], as, canary);
    let said = "";
    for await (const chunk of child.stdout) said += chunk;
    const { exitCode, stderr } = await child.ended;
    for (const line of said.trim().split("\n")) {
      const attempt = JSON.parse(line) as Attempt;
      attempts.set(attempt.name, attempt);
    }
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  });

  it.each(programs)("refuses $name: $tries", ({ name, kind, expected = "" }) => {
    const attempt = attempts.get(name);
    expect(attempt?.output).not.toContain("ESCAPED");
    if (kind === "refused") expect(attempt?.output.replaceAll("\n", " ")).toMatch(new RegExp(expected));
    if (kind === "refused") expect(attempt?.end.limit).toBeUndefined();
    if (kind === "ends") expect(attempt?.end.limit?.name).toMatch(new RegExp(`^${expected}$`));
    if (kind === "stops") expect(attempt?.end).toEqual({ signal: expected, isStopped: true });
    const { processes, mounts, folders, isNeighbourAlive, isOutsideUntouched } = attempt ?? {};
    expect({ processes, mounts, folders, isNeighbourAlive, isOutsideUntouched }).toEqual({
      processes: [],
      mounts: [],
      folders: [],
      isNeighbourAlive: true,
      isOutsideUntouched: true,
    });
  });
}
