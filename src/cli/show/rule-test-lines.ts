import type {
  RuleTestChangeJson,
  RuleTestDecisionJson,
  TestWorkflowRuleResponseJson,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { reasonText } from "./event-lines.ts";
import { factLines, shortName, shortTime, tableLines } from "./output.ts";

/** @param tested - all pages together. @returns counts, then what would change, request by request */
export function ruleTestLines(tested: TestWorkflowRuleResponseJson): string[] {
  const { examined = 0, matched = 0, failed = 0, changes = [] } = tested;
  const kinds = Map.groupBy(changes, ({ before, after }) => `${outcomeText(before)} → ${outcomeText(after)}`);
  const counts = [...kinds].map(([kind, those]): [string, string] => ["would change", `${those.length}: ${kind}`]);
  return [
    ...factLines([
      ["requests", String(examined)],
      ["match", String(matched)],
      ["fail", failed === 0 ? "0" : `${failed}: they would be quarantined`],
      ...(counts.length > 0 ? counts : [["would change", "0"] satisfies [string, string]]),
    ]),
    ...(changes.length === 0 ? [] : ["", ...changeLines(changes)]),
  ];
}

const changeLines = (changes: readonly RuleTestChangeJson[]): string[] =>
  tableLines(changes, [
    { title: "RECEIVED", of: ({ receivedAt }) => shortTime(receivedAt) },
    { title: "SOURCE", of: ({ source }) => source },
    { title: "EVENT", of: ({ eventId }) => eventId },
    { title: "BY THE RULES OF TODAY", of: ({ before }) => decisionText(before) },
    { title: "WITH THE DRAFT", of: ({ after }) => decisionText(after) },
  ]);

const outcomeText = ({ disposition }: RuleTestDecisionJson = {}): string =>
  shortName(disposition, "DISPOSITION_").toLowerCase();

function decisionText(decision: RuleTestDecisionJson = {}): string {
  const { ruleId = "", definitionId = "", definitionVersion, priority, queueKeys = [], reasons = [] } = decision;
  if (definitionId === "") return [outcomeText(decision), ...reasons.map(reasonText)].join(": ");
  const limits = queueKeys.length === 0 ? "" : `, under ${queueKeys.join(" ")}`;
  return `${definitionId}@${definitionVersion} by ${ruleId === "" ? "no rule" : `rule ${ruleId}`}, priority ${priority}${limits}`;
}
