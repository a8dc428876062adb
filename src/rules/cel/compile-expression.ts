import type { CelType, CelValue } from "@bufbuild/cel";
import { CelScalar, celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import { checkTypes, struct } from "./check-types.ts";
import { ExpressionFaultError, placeOf } from "./expression-fault.ts";
import type { Expr, Loop, ParsedExpression } from "./expression-tree.ts";
import { childrenOf } from "./expression-tree.ts";
import { guardSource, guardTree } from "./guard-source.ts";
import type { Meter } from "./metered-functions.ts";
import { createMeteredFunctions } from "./metered-functions.ts";
import type { RuleInput } from "./rule-input.ts";
import { parametersName, ruleRegistry, ruleVariables } from "./rule-input.ts";

/** Steps, of about a microsecond each, that all expressions of one event may take together. */
const stepsOfEvent = 50_000;
/** Steps that one evaluation may take. */
const stepsOfExpression = 20_000;

/** What all expressions of one event have left together. */
export interface Budget {
  steps: number;
}

export const fullBudget = (): Budget => ({ steps: stepsOfEvent });

/** An expression could not be evaluated on an event, which says nothing about whether it is true. */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
  readonly code = "evaluation_failed";
}

/** A checked expression, ready to be evaluated any number of times. */
export interface Expression<T> {
  /** @throws EvaluationError, with the place in the source */
  evaluate(input: RuleInput, budget: Budget): T;
}

const meter: Meter = { left: 0 };
const { callable, functions, compilePattern } = createMeteredFunctions(meter);
const environment = celEnv({ registry: ruleRegistry, funcs: functions });

/** A condition. @throws ExpressionFaultError */
export const compileCondition = (source: string): Expression<boolean> =>
  compile(source, CelScalar.BOOL, (value) => (typeof value === "boolean" ? value : undefined));

/** An expression whose value is a text. @throws ExpressionFaultError */
export const compileText = (source: string): Expression<string> =>
  compile(source, CelScalar.STRING, (value) => (typeof value === "string" ? value : undefined));

function compile<T>(source: string, wanted: CelType, read: (value: CelValue) => T | undefined): Expression<T> {
  guardSource(source);
  const parsed = parseSource(source);
  const offsetOf = (node: Pick<Expr, "id">) => parsed.sourceInfo?.positions[String(node.id)] ?? 0;
  guardTree(source, parsed.expr, offsetOf);
  eachNode(parsed.expr, (node) => nameParameters(node, (rule) => refuse(source, offsetOf(node), rule)));
  const type = checkTypes(parsed.expr, {
    source,
    offsetOf,
    variables: { ...ruleVariables, [parametersName]: struct },
    functions: callable,
  });
  if (type !== CelScalar.DYN && type !== wanted)
    refuse(source, 0, `the expression is of type ${type}, and must be ${wanted}`);
  eachNode(parsed.expr, (node) => checkPattern(node, (rule) => refuse(source, offsetOf(node), rule)));
  eachNode(parsed.expr, meterLoop);
  const evaluate = plan(environment, parsed.expr);
  return {
    evaluate(input, budget) {
      const most = Math.max(0, Math.min(budget.steps, stepsOfExpression));
      meter.left = most;
      const value = evaluate(input);
      budget.steps -= most - meter.left;
      if (meter.left < 0) throw new EvaluationError(tooLong(most));
      if (isCelError(value)) {
        const { line, column } = placeOf(source, offsetOf({ id: value.exprId ?? parsed.expr.id }));
        throw new EvaluationError(`at line ${line}, column ${column}: ${value.message}`);
      }
      const found = read(value);
      if (found === undefined) throw new EvaluationError(`its value is not of type ${wanted}`);
      return found;
    },
  };
}

const tooLong = (most: number): string =>
  most === stepsOfExpression
    ? `it takes more than ${most} steps on this event; go over shorter lists and texts, or split the rule`
    : `the rules that were tried take more than ${stepsOfEvent} steps on this event together; make them cheaper`;

function parseSource(source: string): ParsedExpression {
  try {
    return parse(source);
  } catch (error) {
    const place = error instanceof Error && "location" in error ? (error.location as GivenPlace).start : undefined;
    const words = error instanceof Error ? error.message.replace(/^<input>:\d+:\d+: /, "") : String(error);
    throw new ExpressionFaultError(source, place ?? { line: 1, column: 1 }, `${words}; correct it`);
  }
}
interface GivenPlace {
  readonly start: { readonly line: number; readonly column: number };
}

function refuse(source: string, offset: number, rule: string): never {
  throw new ExpressionFaultError(source, placeOf(source, offset), rule);
}

function eachNode(root: Expr, visit: (node: Expr) => void): void {
  visit(root);
  for (const { child } of childrenOf(root)) eachNode(child, visit);
}

/** `request.parameters` is read from the event once, and not again each time that it is named. */
function nameParameters(node: Expr, refused: (rule: string) => never): void {
  const { exprKind } = node;
  if (exprKind.case === "comprehensionExpr" && Object.hasOwn(ruleVariables, exprKind.value.iterVar))
    refused(`"${exprKind.value.iterVar}" is what every rule sees; name the variable of the loop otherwise`);
  if (exprKind.case !== "selectExpr" || exprKind.value.testOnly || exprKind.value.field !== "parameters") return;
  const { operand } = exprKind.value;
  if (operand?.exprKind.case === "identExpr" && operand.exprKind.value.name === "request")
    node.exprKind = { case: "identExpr", value: { $typeName: "cel.expr.Expr.Ident", name: parametersName } };
}

/** Patterns are compiled when the rule is put, so they can't come from an event. */
function checkPattern({ exprKind }: Expr, refused: (rule: string) => never): void {
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "matches") return;
  const constant = exprKind.value.args[0]?.exprKind;
  if (constant?.case !== "constExpr" || constant.value.constantKind.case !== "stringValue")
    refused("the pattern of matches must be a literal text; write it in quotes");
  else checkLiteral(constant.value.constantKind.value, refused);
}

function checkLiteral(pattern: string, refused: (rule: string) => never): void {
  try {
    compilePattern(pattern);
  } catch (error) {
    refused(`the pattern of matches can't be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Lets every turn of a loop pay first: when nothing is left, its error ends all loops at once. */
function meterLoop(node: Expr): void {
  if (node.exprKind.case !== "comprehensionExpr") return;
  const loop: Loop = node.exprKind.value;
  if (loop.iterRange !== undefined) loop.iterRange = callOf(loop.iterRange, "@range", [loop.iterRange]);
  if (loop.loopCondition === undefined || loop.loopStep === undefined) return;
  let parts = 0;
  eachNode(loop.loopStep, () => {
    parts += 1;
  });
  const step = callOf(loop.loopCondition, "@step", [constantOf(loop.loopCondition, BigInt(parts))]);
  loop.loopCondition = callOf(loop.loopCondition, "_&&_", [step, loop.loopCondition]);
}

const callOf = ({ id }: Expr, name: string, args: Expr[]): Expr => ({
  $typeName: "cel.expr.Expr",
  id,
  exprKind: { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", function: name, args } },
});

const constantOf = ({ id }: Expr, value: bigint): Expr => ({
  $typeName: "cel.expr.Expr",
  id,
  exprKind: {
    case: "constExpr",
    value: { $typeName: "cel.expr.Constant", constantKind: { case: "int64Value", value } },
  },
});
