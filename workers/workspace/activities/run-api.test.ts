import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { askApi } from "./run-api.ts";

const never = new AbortController().signal;

it("asks again while the api is away", async () => {
  const answers = [new ConnectError("away", Code.Unavailable), new ConnectError("slow", Code.DeadlineExceeded)];
  const ask = async () => {
    const error = answers.shift();
    if (error !== undefined) throw error;
    return "begun";
  };
  expect(await askApi(ask, never)).toBe("begun");
});

it("takes an answer that stays the same", async () => {
  let asked = 0;
  const refusal = askApi(async () => {
    asked += 1;
    throw new ConnectError("no such run", Code.NotFound);
  }, never);
  await expect(refusal).rejects.toThrow("no such run");
  expect(asked).toBe(1);
});

it("ends with the signal", async () => {
  const stop = new AbortController();
  const asking = askApi(async () => {
    stop.abort(new Error("asked to end"));
    throw new ConnectError("away", Code.Unavailable);
  }, stop.signal);
  await expect(asking).rejects.toThrow("asked to end");
});
