import { Code, ConnectError } from "@connectrpc/connect";
import type { ApplicationFailure } from "@temporalio/activity";
import { CancelledFailure } from "@temporalio/activity";
import { expect, it } from "vitest";
import { BaseUnavailableError } from "../repo/base-unavailable.ts";
import { SandboxError } from "../sandbox/sandbox-errors.ts";
import { AwayError, asFailure, pauseAfter } from "./work-failure.ts";

const at = (attempt: number) => ({ attempt, isCancelled: false, isCancelAsked: false });
const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });

it.each([
  ["a full disk", full],
  ["a box that can't be made", new SandboxError("bwrap ended with 127")],
  ["a store that is away", new AwayError("the object store answers 507")],
  ["a remote that is in trouble", new BaseUnavailableError("it answers 503", "wait", { isPassing: true })],
])("%s is waited for with growing pauses, however often it was tried", (_, error) => {
  for (const [attempt, pauseMs] of [
    [1, 1_000],
    [4, 8_000],
    [1_000, 60_000],
  ] as const) {
    const failure = asFailure(error, at(attempt)) as ApplicationFailure;
    expect(failure).toMatchObject({ type: "Waiting", nextRetryDelay: pauseMs });
    expect(failure.nonRetryable).not.toBe(true);
  }
});

it("pauses grow to a minute", () => {
  expect([1, 2, 3, 6, 7, 50].map(pauseAfter)).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
});

it("a worker that ends is followed by another at once, whatever it died of and however late", () => {
  for (const error of [full, new CancelledFailure("WORKER_SHUTDOWN")]) {
    const failure = asFailure(error, { attempt: 40, isCancelled: true, isCancelAsked: false });
    expect(failure).toMatchObject({ type: "WorkerEnded", nextRetryDelay: 1_000 });
  }
});

it("a cancel that was asked for is a cancel", () => {
  expect(asFailure(full, { attempt: 1, isCancelled: true, isCancelAsked: true })).toBeInstanceOf(CancelledFailure);
});

it("a fault of ours is for the workflow to count, by its attempt", () => {
  expect(asFailure(new TypeError("undefined is not a function"), at(7))).toMatchObject({
    type: "WorkFailed",
    nonRetryable: true,
    details: [7],
  });
  const lasting = new BaseUnavailableError("no such branch", "push it", { isPassing: false });
  expect(asFailure(lasting, at(2))).toMatchObject({ type: "WorkFailed" });
});

it("an answer of the api that stays the same is final", () => {
  expect(asFailure(new ConnectError("no such run", Code.NotFound), at(1))).toMatchObject({ nonRetryable: true });
  expect(asFailure(new ConnectError("away", Code.Unavailable), at(1))).toMatchObject({ nonRetryable: false });
});
