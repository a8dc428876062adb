import type { VerdictLineJson } from "../../../src/gen/automation/v1/verdict_pb.ts";
import type { RequirementJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import { baseUri } from "../worlds/sealing.ts";
import type { Stated } from "./seal-state.ts";

type Facts = Readonly<Record<string, unknown>>;

/**
 * Compares everything that a seal states with everything else of it.
 * @param status - the run's, as its row has it
 * @returns for people, what contradicts what
 */
export function contradictionsOf(
  all: readonly Stated[],
  log: string,
  status: string,
  requirements: readonly RequirementJson[],
): string[] {
  const faults: string[] = [];
  const claim = (holds: boolean, fault: string) => void (holds || faults.push(fault));
  const of = (kind: string) => all.filter((each) => each.kind === kind);
  const factsOf = (kind: string) => of(kind).map(({ statement }) => statement.predicate as Facts);
  claim(of("agent-run").length === 1 && of("vsa").length === 1, "there is one agent-run and one summary");
  const [run = {}] = factsOf("agent-run");
  const [summary = {}] = factsOf("vsa");
  claim(run.outcome === status, `agent-run states ${run.outcome}, the run is ${status}`);
  const isCompleted = status === "COMPLETED";
  claim(
    summary.verificationResult === (isCompleted ? "PASSED" : "FAILED"),
    `summary says ${summary.verificationResult}`,
  );
  claim(
    (summary.verifiedLevels as string[]).includes("FAILED") !== isCompleted,
    `levels are ${summary.verifiedLevels}`,
  );
  claim(of("provenance").length === (isCompleted ? 1 : 0), `there is provenance of a run that is ${status}`);
  const inputs = (summary.inputAttestations as { digest: { sha256: string } }[]).map(({ digest }) => digest.sha256);
  const others = all.filter(({ kind }) => kind !== "vsa").map(({ statementSha256 }) => statementSha256);
  claim(inputs.toSorted().join() === others.toSorted().join(), "the summary rests on other statements than there are");

  const lines = summary[`${baseUri}/verdict-lines/v1`] as VerdictLineJson[];
  const ids = lines.map(({ requirementId }) => requirementId);
  claim(new Set(ids).size === ids.length, `a line stands twice: ${ids}`);
  claim(lines.every(({ state }) => state === "LINE_STATE_MET") === isCompleted, "lines and end differ");
  for (const { id = "", kind = "", outcome = "" } of requirements) {
    const line = lines.find(({ requirementId }) => requirementId === id);
    const stated = outcomesOf(
      kind,
      of(kind).map(({ statement }) => statement.predicate as Facts),
      lines,
    );
    const isMet = line?.state === "LINE_STATE_MET";
    claim(line !== undefined, `no line ${id}`);
    claim(!isMet || stated.every((each) => each === (outcome || each)), `${id} is met, and ${kind} states ${stated}`);
    const [, counted] = /^(\d+) of \d+ /.exec(line?.detail ?? "") ?? [];
    claim(
      counted === undefined || Number(counted) === stated.length,
      `${id} counts ${counted}, there are ${stated.length}`,
    );
    const named = new Set(line?.evidenceSha256);
    const expected = line?.state === "LINE_STATE_MISSING" ? [] : of(kind).map(({ statementSha256 }) => statementSha256);
    claim([...named].toSorted().join() === expected.toSorted().join(), `${id} names other statements than it counts`);
  }

  const events = log
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const told = events.findLast(({ verdict }) => verdict !== undefined)?.verdict.verdict;
  if (told !== undefined && told.passed !== true)
    for (const { requirementId, state } of told.lines as VerdictLineJson[])
      claim(
        status !== "FAILED" || lines.find((line) => line.requirementId === requirementId)?.state === state,
        `the log tells ${requirementId} otherwise`,
      );
  return faults;
}

/** What statements of a kind state. A reference to a patch states that there is one; whether it changes anything the lines tell. */
function outcomesOf(kind: string, facts: readonly Facts[], lines: readonly VerdictLineJson[]): unknown[] {
  if (kind === "agent-run") return facts.map(({ outcome }) => outcome);
  if (kind === "test-result") return facts.map(({ result }) => result);
  const isPartial = lines.some(
    ({ requirementId, state }) => requirementId === "capture-complete" && state !== "LINE_STATE_MET",
  );
  if (kind === "diff") return facts.map(() => (isPartial ? "PARTIAL" : "CAPTURED"));
  return facts.map(() => "KEPT");
}
