import { describe, expect, it } from "vitest";
import { traceContextOf } from "./trace-context.ts";

const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
const parent = `00-${ids}-01`;
const stateOf = (tracestate: unknown) => traceContextOf(parent, tracestate).tracestate;

describe("a trace context", () => {
  it.each([
    [parent, parent],
    [`00-${ids}-ff`, `00-${ids}-ff`],
    [`01-${ids}-01`, parent],
    [`cc-${ids}-ff-what-the-future-will-be`, `00-${ids}-03`],
    [`00-${ids}-01-later`, undefined],
    [`01-${ids}-01.later`, undefined],
    [`ff-${ids}-01`, undefined],
    [parent.toUpperCase(), undefined],
    [`00-${"0".repeat(32)}-b7ad6b7169203331-01`, undefined],
    [`00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`, undefined],
    [` ${parent}`, undefined],
    [`${parent}\n`, undefined],
    ["", undefined],
    [7, undefined],
  ])("with traceparent %j goes on as %j", (given, carried) => {
    expect(traceContextOf(given, "a=b")).toEqual(
      carried === undefined ? {} : { traceparent: carried, tracestate: "a=b" },
    );
  });

  it.each([
    ["rojo=00f067aa0ba902b7 , congo=t61rcWkgMzE,,", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
    ["fw529a3039@dt=FfAA0_1", "fw529a3039@dt=FfAA0_1"],
    ["0vendor=a b", "0vendor=a b"],
    [`a=${"x".repeat(256)}`, `a=${"x".repeat(256)}`],
    [`a=${"x".repeat(257)}`, undefined],
    [`${"k".repeat(256)}=x`, `${"k".repeat(256)}=x`],
    ["a=1,a=2", undefined],
    ["a", undefined],
    ["A=1", undefined],
    ["a=b=c", undefined],
    ["a=é", undefined],
    ["a=\u0000", undefined],
    ["", undefined],
    [" , ", undefined],
    [{ a: 1 }, undefined],
  ])("with tracestate %j keeps the parent and %j", (given, carried) => {
    expect(traceContextOf(parent, given)).toEqual({ traceparent: parent, ...(carried && { tracestate: carried }) });
  });

  it("carries 32 members and 512 characters, and of more characters the first short ones", () => {
    const members = Array.from({ length: 33 }, (_, n) => `k${n}=${"v".repeat(9)}`);
    expect(stateOf(members.slice(0, 32).join())).toBe(members.slice(0, 32).join());
    expect(stateOf(members.join())).toBeUndefined();
    const long = [`a=${"x".repeat(250)}`, `b=${"x".repeat(250)}`];
    expect(stateOf(long.join())).toBe(long.join());
    const short = Array.from({ length: 12 }, (_, n) => `s${n}=${"v".repeat(50)}`);
    expect(stateOf([...long, ...short].join())).toBe(short.slice(0, 9).join());
  });
});
