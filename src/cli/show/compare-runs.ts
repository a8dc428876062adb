import { toJson } from "@bufbuild/protobuf";
import type { RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import { RunEventSchema } from "../../gen/automation/v1/run_event_pb.ts";
import { ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import type { RunExport } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import { DescribeWorkflowRunResponseSchema } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { canonicalDigest } from "../../text/canonical-json.ts";
import { withoutHandoff } from "../ask/declare-export.ts";
import type { CollectedRun } from "../ask/export-run.ts";
import { shortName } from "./output.ts";

/** Artifacts whose bytes depend on the work alone; reports, logs and transcripts hold times. */
const comparedKinds: readonly string[] = ["patch", "change_list", "document"];

/** A fact of both runs; empty where a run has none. */
export interface Compared {
  readonly fact: string;
  readonly same: boolean;
  readonly exported: string;
  readonly reproduced: string;
}

/** Compares what a run and its repetition were made of, how they went and what they left. Of the profile, all but the hand-off is compared. */
export function compareRuns(exported: RunExport, reproduced: CollectedRun): Compared[] {
  const judged = exported.profile?.profile;
  const before = factsOf(exported);
  if (judged !== undefined) before.set("profile", canonicalDigest(toJson(ProfileSchema, withoutHandoff(judged))));
  const after = factsOf(reproduced);
  return [...new Set([...before.keys(), ...after.keys()])].map((fact) => {
    const [was = "", is = ""] = [before.get(fact), after.get(fact)];
    return { fact, same: was === is, exported: was, reproduced: is };
  });
}

function factsOf({ described: message, artifacts, events }: CollectedRun): Map<string, string> {
  const described = message === undefined ? {} : toJson(DescribeWorkflowRunResponseSchema, message);
  const { run = {}, verdict } = described;
  const { pins } = run;
  const facts = new Map<string, string>();
  const add = (fact: string, value: string | undefined) => {
    if (value !== undefined && value !== "") facts.set(fact, value);
  };
  add("status", shortName(run.status, "RUN_STATUS_"));
  add("reason", run.reason);
  add("definition", run.definitionDigest);
  add("profile", run.profileDigest);
  add("repository", pins?.repository?.url);
  add("base commit", run.baseCommit);
  add("policy", pins?.policyDigest);
  add("isolation", shortName(pins?.isolation, "ISOLATION_CLASS_"));
  for (const { stepId, digest } of pins?.personas ?? []) add(`persona of ${stepId}`, digest);
  for (const event of events) addEvent(add, toJson(RunEventSchema, event));
  add("verdict", verdict === undefined ? "" : verdict.passed ? "passed" : "not passed");
  for (const { requirementId, state } of verdict?.lines ?? [])
    add(`requirement ${requirementId}`, shortName(state, "LINE_STATE_").toLowerCase());
  for (const { name, kind, sha256 } of artifacts) if (comparedKinds.includes(kind)) add(`artifact ${name}`, sha256);
  return facts;
}

/** The last word of a step counts: earlier attempts are replaced. */
function addEvent(add: (fact: string, value: string) => void, { step, tests, captured }: RunEventJson): void {
  if (step !== undefined) {
    const state = shortName(step.state, "STEP_STATE_").toLowerCase();
    add(`step ${step.stepId}`, step.cause === undefined ? state : `${state}: ${step.cause}`);
  }
  if (tests !== undefined) {
    const { passed = 0, failed = 0, errored = 0, skipped = 0 } = tests.counts ?? {};
    const names = tests.failed === undefined ? "" : `: ${tests.failed.join(", ")}`;
    const told = `${passed} passed, ${failed + errored} failed, ${skipped} skipped${names}`;
    add(`tests of ${tests.stepId}${tests.onBase === true ? " on the base" : ""}`, tests.fault ?? told);
  }
  if (captured !== undefined) add("tree", captured.gitTree ?? "");
}
