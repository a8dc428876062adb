import type { JsonValue } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { AutomationPlanSchema } from "../../gen/automation/v1/automation_plan_pb.ts";
import { ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import type { RunExport } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import { RunExportSchema } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import { personaDigest } from "../../personas/persona-digest.ts";
import { canonicalDigest } from "../../text/canonical-json.ts";
import { cutText } from "../../text/strangers-text.ts";
import { isObject } from "../../text/unreadable-field.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import { readText } from "./read-documents.ts";
import { checkMessage } from "./yaml-message.ts";

/** Of the file's shape. */
export const exportVersion = 1;
export const exportLimitBytes = 64 * 1_048_576;

const again = "export the run again, where it ran";

/**
 * Reads what `automation run export` wrote, and checks that its declarations and bundles are those that the run pinned.
 * @param path - `-` is standard input
 * @throws CliError 2 that names each fault
 */
export function readRunExport(path: string): RunExport {
  const { text, file } = readText(path, exportLimitBytes);
  let json: JsonValue;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CliError(2, `${file} is not JSON`, { code: "not_json", remedy: again, cause });
  }
  const version = isObject(json) ? json.version : undefined;
  if (version !== exportVersion) {
    const said = version === undefined ? "(absent)" : cutText(JSON.stringify(version), 80);
    const message = `${file}: version ${said}: this program reads exports of version ${exportVersion}`;
    throw new CliError(2, message, { code: "other_version", remedy: `${again}, by a program of this one's version` });
  }
  const checked = checkMessage(RunExportSchema, { file, json, lineOf: () => 1 }, []);
  const faults = "faults" in checked ? checked.faults : faultsOf(checked.message, file);
  if ("faults" in checked || faults.length > 0)
    throw new CliError(2, `${file} is no export of a run, or was changed; nothing was declared`, { details: faults });
  return checked.message;
}

/** @returns what differs from the run's own pins */
function faultsOf({ described, delivery, definition, profile, repository, personas, events }: RunExport, file: string) {
  const run = described?.run;
  const { pins } = run ?? {};
  const faults: Detail[] = [];
  const expect = (field: string, found: unknown, expected: unknown, rule: string) => {
    if (found !== expected)
      faults.push({ file, field, value: String(found), rule: `${rule} ${expected}`, remedy: again });
  };
  expect("described.run", run !== undefined, true, "is there:");
  expect("described.request", described?.request !== undefined, true, "is there:");
  expect("delivery.runId", delivery?.runId, run?.id, "is the run's id,");
  const plan = definition?.plan === undefined ? {} : toJson(AutomationPlanSchema, definition.plan);
  expect("definition.plan", canonicalDigest(plan), run?.definitionDigest, "has the digest that the run pinned,");
  expect("definition.definitionId", definition?.definitionId, run?.definitionId, "is the run's,");
  expect("definition.version", definition?.version, run?.definitionVersion, "is the run's,");
  const content = profile?.profile === undefined ? {} : toJson(ProfileSchema, profile.profile);
  expect("profile.profile", canonicalDigest(content), run?.profileDigest, "has the digest that the run pinned,");
  expect("repository.url", repository?.url, pins?.repository?.url, "is the one that the run pinned,");
  for (const [index, { digest, bundle }] of personas.entries())
    expect(`personas.${index}.bundle`, personaDigest(bundle), digest, "has the sha256");
  for (const { id, digest } of pins?.personas ?? []) {
    const found = personas.find((persona) => persona.digest === digest)?.digest ?? "(absent)";
    expect("personas", found, digest, `has the bundle of ${id} that the run pinned,`);
  }
  const gap = events.findIndex(({ sequence }, index) => sequence !== BigInt(index + 1));
  expect("events", gap, -1, "has no gap: the first one is at");
  expect("events.length", BigInt(events.length), run?.lastSequence, "is the run's last sequence,");
  return faults;
}
