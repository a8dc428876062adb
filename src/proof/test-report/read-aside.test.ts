import { expect, it } from "vitest";
import { readAside } from "./read-aside.ts";
import { maxReportBytes } from "./reported-test.ts";

const suite = (cases: string) => Buffer.from(`<testsuites>${cases}</testsuites>`);

it("reads a large report while others get their turn, and a small one the same", async () => {
  const cases = '<testcase name="adds" classname="sum"/>';
  let turns = 0;
  const turning = setInterval(() => {
    turns += 1;
  }, 5);
  const large = await readAside("REPORT_FORMAT_JUNIT", suite(cases.repeat(40_000)));
  clearInterval(turning);
  expect(turns).toBeGreaterThan(5);
  expect(large).toMatchObject({ counts: { passed: 40_000 } });
  expect(await readAside("REPORT_FORMAT_JUNIT", suite(cases))).toMatchObject({ counts: { passed: 1 } });
});

it("names the fault of a large report as of a small one", async () => {
  const withDtd = Buffer.concat([Buffer.from("<!DOCTYPE a>"), suite(" ".repeat(300_000))]);
  expect(await readAside("REPORT_FORMAT_JUNIT", withDtd)).toMatchObject({ fault: expect.stringContaining("DTD") });
  const tooLarge = Buffer.alloc(maxReportBytes + 1, 32);
  expect(await readAside("REPORT_FORMAT_TAP", tooLarge)).toMatchObject({ fault: expect.stringContaining("at most") });
});
