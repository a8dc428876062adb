import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/builders/repositories.ts";
import type { WorkDone, WorkWorld } from "../support/worlds/work-world.ts";
import { startWorkWorld } from "../support/worlds/work-world.ts";

const personas = temporaryFolder();
let world: WorkWorld;
let count = 0;
beforeAll(async () => {
  world = await startWorkWorld([76, 77]);
});
afterAll(async () => {
  await world.close();
  personas.remove();
});

const aTest = (name: string, body: string) =>
  `import assert from "node:assert/strict";\nimport { test } from "node:test";\ntest(${name}, () => { ${body} });\n`;
const shop = {
  "package.json": '{ "type": "module" }\n',
  "build.sh": "exit 0\n",
  "test/orders.test.js": aTest('"orders add up"', "assert.equal(1 + 1, 2);"),
  "test/refunds.test.js": aTest('"refunds are negative"', "assert.equal(1, -1);"),
};
const nodeTest = (reporter: string) =>
  `sh build.sh && exec node --test --test-reporter=${reporter} --test-reporter-destination=report`;

/** Lets a persona that is one script work on the shop, and runs the tests. */
async function work(
  script: string,
  how: { files?: Record<string, string>; tests?: string; format?: "JUNIT" | "TAP" } = {},
): Promise<WorkDone> {
  count += 1;
  const id = `persona-${count}`;
  const folder = join(personas.path, id);
  mkdirSync(folder);
  writeFileSync(join(folder, "main.mjs"), `import { rmSync, writeFileSync } from "node:fs";\n${script}`);
  const { format = "JUNIT" } = how;
  return world.work({
    files: { ...shop, ...how.files },
    steps: [
      { id: "fix", agent: { persona: { id } } },
      {
        id: "unit",
        test: {
          argv: ["sh", "-c", how.tests ?? nodeTest(format.toLowerCase())],
          reportPath: "report",
          format: `REPORT_FORMAT_${format}`,
        },
      },
    ],
    personas: { fix: folder },
  });
}

const kept = "tests-kept-unit";

it.concurrent.each([
  [
    "does not build",
    "echo 'does not compile' >&2; exit 1\n",
    /MISSING: there is nothing to compare with: on the base the tests left no report/,
  ],
  [
    "leaves half a report",
    "echo '<testsuites>' > report; exit 1\n",
    /MISSING: .* the report does not count: the report is not well-formed XML/,
  ],
  [
    "leaves an empty report",
    "echo '<testsuites/>' > report; exit 1\n",
    /MISSING: the report of the base may not be whole: its tests ended with exit code 1/,
  ],
])("a base that %s does not let a persona delete a failing test", async (_how, build, line) => {
  const done = await work(`writeFileSync("build.sh", "exit 0\\n"); rmSync("test/refunds.test.js");`, {
    files: { "build.sh": build },
  });
  expect(done.line("tests-passed")).toMatch(/^MET/);
  expect(done.line(kept)).toMatch(line);
  expect(done.verdict.passed).toBe(false);
});

it.concurrent("a test that is disabled by an attribute of the report alone is missed", async () => {
  const report = (status: string) =>
    `<testsuite tests="2" failures="0" disabled="1" skipped="0"><testcase name="adds" status="run"/><testcase name="removes" status="${status}"/></testsuite>`;
  const done = await work(`writeFileSync("kept.xml", ${JSON.stringify(report("disabled"))});`, {
    files: { "kept.xml": report("fail") },
    tests: "cp kept.xml report; ! grep -q '\"fail\"' kept.xml",
  });
  expect(done.line("tests-passed")).toMatch(/^MET/);
  expect(done.line(kept)).toBe('FAILED: "removes" is skipped now');
});

it.concurrent.each(["JUNIT", "TAP"] as const)("a test that is named like a file is missed in %s", async (format) => {
  const done = await work(`rmSync("test/refunds.test.js"); writeFileSync("src.js", "");`, {
    files: { "test/refunds.test.js": aTest('"invoice.js"', "assert.equal(1, 1);"), "invoice.js": "" },
    format,
  });
  expect(done.line(kept)).toBe('FAILED: "invoice.js" is not there any more');
});

it.concurrent.each(["JUNIT", "TAP"] as const)(
  "a file that can be loaded again is none that is missed, in %s, unless nothing of it runs",
  async (format) => {
    const files = { "test/refunds.test.js": `import "./nowhere.js";\n${shop["test/refunds.test.js"]}` };
    const mended = await work(
      `writeFileSync("test/refunds.test.js", ${JSON.stringify(aTest('"refunds"', "assert.equal(1, 1);"))});`,
      { files, format },
    );
    expect(mended.line(kept)).toMatch(/^MET: every test that the base executed was executed \(1\)/);
    const deleted = await work(`rmSync("test/refunds.test.js");`, { files, format });
    expect(deleted.line(kept)).toMatch(/^FAILED: no test of the file "test\/refunds\.test\.js"/);
  },
);

it.concurrent("tests are recognised whose names change with each run by an address, an id, a date or a path", async () => {
  const name = `"price of <Price object at 0x7f" + randomBytes(5).toString("hex") + "> " + randomUUID() + " at " + new Date().toISOString() + " in " + mkdtempSync("/tmp/shop-")`;
  const head = `import { randomBytes, randomUUID } from "node:crypto";\nimport { mkdtempSync } from "node:fs";\n`;
  const test = `${head}${aTest(name, "")}test("second " + randomUUID(), () => {});\n`;
  const same = { "test/refunds.test.js": test };
  const done = await work(`writeFileSync("src.js", "");`, { files: same });
  expect(done.line(kept)).toMatch(/^MET: every test that the base executed was executed \(3\); 2 of them under a name/);
  const fewer = test.replace(/test\("second.*/, "");
  const gone = await work(`writeFileSync("test/refunds.test.js", ${JSON.stringify(fewer)});`, { files: same });
  expect(gone.line(kept)).toMatch(/^FAILED: "second [\w-]+" is not there any more$/);
});

const corpus = join(import.meta.dirname, "../corpus/reports");

describe("a report by a real runner", () => {
  it.concurrent.each<["JUNIT" | "TAP", string, string, number]>([
    ["TAP", "tape/numbers.tap", "ok 2 404 for an unknown path\n", 3],
    ["TAP", "eslint/tap-green.tap", "ok 2 - /workspace/good.js\n", 2],
    [
      "JUNIT",
      "catch2/assertions.xml",
      '<testcase classname="cart_tests.global" name="removes" time="0.001" status="run"/>',
      2,
    ],
    ["JUNIT", "pytest/subtests-green.xml", '<testcase classname="test_green_sub" name="test_other" time="0.000" />', 2],
  ])("passes as it is, and does not with a test taken out: %s, %s", async (format, file, listed, tests) => {
    const report = readFileSync(join(corpus, file), "utf8");
    expect(report).toContain(listed);
    const how = { files: { "kept.txt": report }, tests: "cp kept.txt report", format };
    const same = await work(`writeFileSync("src.js", "");`, how);
    expect(same.line("tests-passed")).toMatch(/^MET/);
    expect(same.line(kept)).toBe(`MET: every test that the base executed was executed (${tests})`);
    const cut = await work(`writeFileSync("kept.txt", ${JSON.stringify(report.replace(listed, ""))});`, how);
    expect(cut.line(kept)).toMatch(/^FAILED/);
    expect(cut.verdict.passed).toBe(false);
  });

  it.concurrent("lets a suite be mended that failed as a whole on the base, and not be deleted", async () => {
    const suite = (cases: string) => `<testsuites><testsuite name="example.org/shop">${cases}</testsuite></testsuites>`;
    const files = { "kept.xml": suite('<testcase classname="" name="TestMain"><failure/></testcase>') };
    const how = { files, tests: "cp kept.xml report; ! grep -q failure kept.xml" };
    const passing = (of: string) => suite(`<testcase classname="${of}" name="TestAdds"/>`);
    const mended = await work(`writeFileSync("kept.xml", ${JSON.stringify(passing("example.org/shop"))});`, how);
    expect(mended.line(kept)).toMatch(/^MET/);
    const deleted = await work(`writeFileSync("kept.xml", ${JSON.stringify(passing("example.org/cart"))});`, how);
    expect(deleted.line(kept)).toBe(
      'FAILED: no test of "example.org/shop > TestMain", which failed as a whole on the base, is executed',
    );
  });
});
