import { describe, expect, it } from "vitest";
import type { Finding } from "./judge-lost-run.ts";
import { judgeLostRun, lastGeneration } from "./judge-lost-run.ts";
import { readToldEnd, toldEndText } from "./told-end.ts";

const at = new Date("2030-01-01T12:00:00Z");
const later = new Date("2030-01-01T13:00:00Z");
const earlier = new Date("2030-01-01T11:00:00Z");
type Run = Parameters<typeof judgeLostRun>[0];
const begun: Run = {
  status: "RUNNING",
  generation: 1,
  desiredState: "RUN",
  createdAt: earlier,
  begunAt: earlier,
  workBegunAt: earlier,
  sealingAt: null,
  queueLimitSeconds: 86_400,
  workLimitSeconds: 86_400,
  handoffLimitSeconds: 86_400,
  deadlineAt: later,
};
const judge = (finding: Finding, run: Partial<Run> = {}, generation = run.generation ?? 1, detail?: string) => {
  const found = { generation, finding, detail: detail ?? (finding === "completed" ? "" : "told") };
  const judgement = judgeLostRun({ ...begun, ...run }, found, at, "scrum");
  return judgement.action === "end" ? `${judgement.end.outcome} ${judgement.end.cause}` : judgement.action;
};

const closed = ["completed", "failed", "terminated", "cancelled", "timed_out"] as const;
const gone: readonly Finding[] = [...closed, "absent", "limit_passed"];

describe("a run that does not go on", () => {
  it("is left alone while its workflow is open, once it has ended, and when another generation was looked at", () => {
    for (const finding of ["unbegun", "silent"] as const) expect(judge(finding)).toBe("leave");
    for (const finding of gone)
      expect([judge(finding, { status: "COMPLETED" }), judge(finding, { generation: 2 }, 1)]).toEqual([
        "leave",
        "leave",
      ]);
  });

  it("is driven anew when its workflow is gone or ended without an end of it, three times, and then fails", () => {
    for (const finding of ["absent", "completed"] as const)
      expect([1, 2, 3, 4].map((generation) => judge(finding, { generation }))).toEqual([
        "redrive",
        "redrive",
        "redrive",
        "FAILED workflow_lost",
      ]);
    expect(lastGeneration).toBe(4);
  });

  it("is not executed again when its workflow had ended it, whatever its limits", () => {
    const told = (outcome: string, run: Partial<Run>) =>
      judge("completed", run, run.generation, toldEndText({ outcome, lastSequence: 9 }));
    for (const status of ["QUEUED", "RUNNING", "EVALUATING"] as const)
      for (const outcome of ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
        expect(told(outcome, { status, deadlineAt: earlier })).toBe("FAILED restored");
    expect(told("COMPLETED", { status: "SEALING" })).toBe("redrive"); // to the commit of what was prepared
    expect(told("FAILED", { status: "SEALING" })).toBe("FAILED restored");
    expect(told("COMPLETED", { status: "SEALING", generation: lastGeneration })).toBe("FAILED restored");
    expect(told("COMPLETED", { desiredState: "CANCEL" })).toBe("CANCELLED cancelled");
  });

  it("knows an end that Temporal was told from any other detail", () => {
    const end = { outcome: "TIMED_OUT", lastSequence: 12 };
    expect([readToldEnd(toldEndText(end)), readToldEnd(""), readToldEnd("told at event 1 or so")]).toEqual([
      ...[end, undefined, undefined],
    ]);
  });

  it("ends with the cause that Temporal tells", () => {
    expect(closed.filter((finding) => finding !== "completed").map((finding) => judge(finding))).toEqual([
      "FAILED workflow_failed",
      "FAILED workflow_terminated",
      "CANCELLED cancelled",
      "FAILED workflow_failed",
    ]);
    const { end } = judgeLostRun(begun, { generation: 1, finding: "terminated", detail: "wrong sprint" }, at, "") as {
      end: { reason: string };
    };
    expect(end.reason).toBe("its Temporal workflow was terminated: wrong sprint");
  });

  it("ends CANCELLED when that was wished, however it was lost and whatever its deadline", () => {
    for (const finding of gone)
      expect(judge(finding, { desiredState: "CANCEL", deadlineAt: earlier })).toBe("CANCELLED cancelled");
  });

  it("ends TIMED_OUT by the limit of time that has passed, and says what it waited for", () => {
    for (const finding of gone) expect(judge(finding, { deadlineAt: earlier })).toBe("TIMED_OUT deadline_exceeded");
    const unbegun = {
      begunAt: null,
      workBegunAt: null,
      status: "ADMITTED",
      queueLimitSeconds: 60,
    } as const;
    expect(judge("limit_passed", unbegun)).toBe("TIMED_OUT queue_limit_exceeded");
    expect(judge("limit_passed", { sealingAt: earlier, handoffLimitSeconds: 60, status: "SEALING" })).toBe(
      "TIMED_OUT handoff_limit_exceeded",
    );
    expect(judge("limit_passed")).toBe("leave");
    const found = { generation: 1, finding: "limit_passed", detail: "" } as const;
    const judgement = judgeLostRun({ ...begun, workLimitSeconds: 60 }, found, at, "scrum is away");
    expect(judgement).toMatchObject({
      end: { reason: expect.stringContaining("60 s; at last it waited for this: scrum is away") },
    });
  });

  it("is cancelled without an execution only while none has begun it", () => {
    const unbegun = { desiredState: "CANCEL", begunAt: null, status: "ADMITTED" } as const;
    expect(judge("cancel_wished", unbegun)).toBe("CANCELLED cancelled");
    expect(judge("cancel_wished", { desiredState: "CANCEL" })).toBe("leave");
  });

  it("ends FAILED when Temporal refuses its start, unless it took it after all", () => {
    expect(judge("start_refused", { begunAt: null })).toBe("FAILED start_refused");
    expect(judge("start_refused")).toBe("leave");
  });
});
