import type { FoundTestsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { mostNames } from "../../work/examine/tests-passed.ts";
import { resourceUri } from "./resource-uri.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";

export const testResultType = "https://in-toto.io/attestation/test-result/v0.1";

/**
 * The result of one test step on the captured tree, by its report. The format has no fields for counts and for skipped and errored tests: they are in an extension field, named by a URI.
 * `failedTests` lists errored tests, too, so that a tool that knows only the format does not take them for passed.
 * @see https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
 */
export function testResultStatement(end: RunEnd, found: FoundTestsJson): Statement {
  const { baseUri, run, work, log } = end;
  const { outcome = "", detail, counts, passed = [], failed = [], errored = [], skipped = [] } = found;
  const { stepId = "", reportSha256 = "", argv = [], exitCode, gitTree } = found.run ?? {};
  const upload = work
    .flatMap(({ uploads }) => uploads)
    .find(({ kind, sha256 }) => kind === "report" && sha256 === reportSha256);
  const about = upload !== undefined ? { name: upload.name ?? "", sha256: reportSha256 } : log;
  const configuration =
    upload !== undefined
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
      passedTests: passed,
      failedTests: [...failed, ...errored],
      [`${baseUri}/test-run/v1`]: {
        step: stepId,
        argv,
        ...(exitCode === undefined ? {} : { exitCode }),
        gitTree,
        detail,
        ...(counts === undefined ? {} : { counts, namesPerList: mostNames }),
        erroredTests: errored,
        skippedTests: skipped,
      },
    },
  });
}
