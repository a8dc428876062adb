import type { WorkflowRule } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { CliError } from "../cli-error.ts";
import { readDocuments } from "./read-documents.ts";
import { checkMessage } from "./yaml-message.ts";

/** Reads a rule that is not put yet, written as `apply` takes it. @throws CliError 2 with every fault of the file */
export function readRuleDraft(file: string): WorkflowRule {
  const [document, second] = readDocuments(file);
  const { json } = document ?? {};
  const isRule = typeof json === "object" && json !== null && "kind" in json && json.kind === "WorkflowRule";
  if (document === undefined || second !== undefined || !isRule)
    throw new CliError(
      2,
      `${file} must hold exactly one document, of kind WorkflowRule; name a file with the rule alone`,
    );
  const checked = checkMessage(WorkflowRuleSchema, document, ["spec"]);
  if ("faults" in checked) throw new CliError(2, "nothing was tested", { details: checked.faults });
  return checked.message;
}
