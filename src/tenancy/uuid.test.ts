import { expect, it } from "vitest";
import { idsThatBegin } from "./uuid.ts";

it("makes a range of ids of how they begin, and none of what begins no id", () => {
  expect(idsThatBegin("a34b")).toEqual({
    first: "a34b0000-0000-0000-0000-000000000000",
    last: "a34bffff-ffff-ffff-ffff-ffffffffffff",
  });
  expect(idsThatBegin("a34bac04-2")).toEqual({
    first: "a34bac04-2000-0000-0000-000000000000",
    last: "a34bac04-2fff-ffff-ffff-ffffffffffff",
  });
  const whole = "a34bac04-2a06-5404-af0a-994c972be5e7";
  expect(idsThatBegin(whole)).toEqual({ first: whole, last: whole });
  for (const none of ["a34bac042", "a34b-", "----", `${whole}0`, "A34B"]) expect(idsThatBegin(none)).toBeUndefined();
});
