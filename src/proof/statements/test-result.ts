import { cutText } from "../../text/strangers-text.ts";
import type { TestFinding } from "../evaluate-work.ts";
import { resourceUri } from "../resource-uri.ts";
import type { TestReport } from "../test-report/test-report.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";

export const testResultType = "https://in-toto.io/attestation/test-result/v0.1";

const mostNames = 1_000;
const longestName = 300;

/**
 * What one test step did on the captured tree, as its report was read. The format knows no skipped or errored tests and no counts: those are in an extension field, named by a URI;
 * an errored test is among `failedTests`, too, so that a rule that knows the format alone never takes it for a pass.
 * @see https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
 */
export function testResultStatement(end: RunEnd, { run: tests, outcome, report, detail }: TestFinding): Statement {
  const { baseUri, run, work, log } = end;
  const { stepId = "", reportSha256 = "", argv = [], exitCode, gitTree } = tests;
  const upload = work?.uploads.find(({ kind, sha256 }) => kind === "report" && sha256 === reportSha256);
  const isKept = upload !== undefined && work?.intact.has(reportSha256) === true;
  const about = isKept ? { name: upload.name ?? "", sha256: reportSha256 } : log;
  const configuration = isKept
    ? [
        {
          name: about.name,
          uri: resourceUri(run.tenant, "run", run.runId, about.name),
          mediaType: upload.mediaType,
          digest: { sha256: reportSha256 },
        },
      ]
    : [];
  return writeStatement(end, about, {
    kind: "test-result",
    predicateType: testResultType,
    outcome,
    step: stepId,
    predicate: {
      result: outcome,
      configuration,
      passedTests: namesOf(report, "passed"),
      failedTests: [...namesOf(report, "failed"), ...namesOf(report, "errored")],
      [`${baseUri}/test-run/v1`]: {
        step: stepId,
        argv,
        ...(exitCode === undefined ? {} : { exitCode }),
        gitTree,
        detail,
        ...(report === undefined ? {} : { counts: report.counts, namesPerList: mostNames }),
        erroredTests: namesOf(report, "errored"),
        skippedTests: namesOf(report, "skipped"),
      },
    },
  });
}

function namesOf(report: TestReport | undefined, state: TestReport["tests"][number]["state"]): string[] {
  const tests = report?.tests.filter((test) => test.state === state) ?? [];
  return tests.slice(0, mostNames).map(({ name }) => cutText(name, longestName));
}
