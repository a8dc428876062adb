import type { StepReportJson, WorkReportJson } from "../../gen/automation/v1/run_work_pb.ts";
import { resourceUri } from "./resource-uri.ts";
import type { RunEnd } from "./statement.ts";

/**
 * The base, personas, policy, steps, capture and sandbox of a run, by digest; nothing for a run without a workspace.
 * The pins were decided when the run was accepted. All of it is `worker-observed`.
 */
export function workFacts({ run, work }: Pick<RunEnd, "run" | "work">): {
  readonly facts: object;
  readonly vantage: Readonly<Record<string, string>>;
} {
  const { pins, tenant, baseCommit } = run;
  if (pins === null) return { facts: {}, vantage: {} };
  const { repository = {}, personas = [], policyDigest = "" } = pins;
  const facts = {
    base: {
      repository: repository.id,
      ref: repository.ref,
      uri: repository.url,
      ...(baseCommit === null ? {} : { digest: { gitCommit: baseCommit } }),
    },
    personas: personas.map(({ stepId, id = "", version = "", digest }) => ({
      step: stepId,
      id,
      version,
      uri: resourceUri(tenant, "persona", id, version),
      digest: { sha256: digest },
    })),
    policy: { digest: { sha256: policyDigest } },
    ...(work.length === 0 ? {} : { segments: work.map(({ report }) => segmentFacts(report)) }),
  };
  return { facts, vantage: Object.fromEntries(Object.keys(facts).map((name) => [name, "worker-observed"])) };
}

function segmentFacts({ segment, attempt, steps = [], capture, sandbox }: WorkReportJson) {
  const { isolation, ...proven } = sandbox ?? {};
  return {
    segment,
    attempt,
    steps: steps.map(stepFacts),
    ...(capture === undefined
      ? {}
      : {
          capture: {
            digest: { gitCommit: capture.gitCommit, gitTree: capture.gitTree },
            patch: { digest: { sha256: capture.patchSha256 } },
            changedFiles: capture.changes?.length ?? 0,
            skippedFiles: capture.skipped?.length ?? 0,
            partial: capture.partial === true,
          },
        }),
    ...(sandbox === undefined ? {} : { sandbox: { class: isolation, ...proven } }),
  };
}

/** Without the step's reason, which may be in a persona's words; it is in the event log. */
function stepFacts({ stepId, state, exitCode, cause, limit, startedAt, finishedAt }: StepReportJson) {
  return {
    step: stepId,
    state: state?.replace("STEP_STATE_", ""),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined || cause === "" ? {} : { cause }),
    ...(limit === undefined ? {} : { limit }),
    startedOn: startedAt,
    finishedOn: finishedAt,
  };
}
