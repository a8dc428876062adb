import { ExpressionFaultError, placeOf } from "./expression-fault.ts";
import type { Expr } from "./expression-tree.ts";
import { childrenOf } from "./expression-tree.ts";

/** What one expression may have; a rule that needs more is several rules. */
const limits = { sourceBytes: 4_096, openBrackets: 30, nodes: 500, depth: 60, loops: 8, nestedLoops: 2 } as const;

/** Bounds what the parser is given. @throws ExpressionFaultError */
export function guardSource(source: string): void {
  const bytes = Buffer.byteLength(source);
  if (bytes > limits.sourceBytes)
    throw new ExpressionFaultError(
      source,
      { line: 1, column: 1 },
      `the expression has ${bytes} bytes and may have ${limits.sourceBytes}; shorten it, or split the rule`,
    );
  let open = 0;
  for (let offset = 0; offset < source.length; offset += 1) {
    if ("([{".includes(source.charAt(offset))) open += 1;
    if (")]}".includes(source.charAt(offset))) open -= 1;
    if (open > limits.openBrackets)
      throw new ExpressionFaultError(
        source,
        placeOf(source, offset),
        `more than ${limits.openBrackets} brackets are open; nest less deeply`,
      );
  }
}

/** Bounds what the parser made: nodes, depth, and loops, which are `all`, `exists`, `exists_one`, `filter` and `map`. @throws ExpressionFaultError */
export function guardTree(source: string, root: Expr, offsetOf: (node: Expr) => number): void {
  let nodes = 0;
  let loops = 0;
  const refuse = (node: Expr, rule: string) => {
    throw new ExpressionFaultError(source, placeOf(source, offsetOf(node)), rule);
  };
  const visit = (node: Expr, depth: number, nested: number): void => {
    nodes += 1;
    const isLoop = node.exprKind.case === "comprehensionExpr";
    if (isLoop) loops += 1;
    const inside = nested + (isLoop ? 1 : 0);
    if (nodes > limits.nodes) refuse(node, `the expression has more than ${limits.nodes} parts; split the rule`);
    if (depth > limits.depth) refuse(node, `the expression is nested deeper than ${limits.depth}; nest less deeply`);
    if (loops > limits.loops)
      refuse(node, `the expression has more than ${limits.loops} loops; split the rule into several`);
    if (inside > limits.nestedLoops)
      refuse(node, `more than ${limits.nestedLoops} loops are nested; compare with in, or split the rule`);
    for (const { child, isRepeated } of childrenOf(node)) visit(child, depth + 1, isRepeated ? inside : nested);
  };
  visit(root, 1, 0);
}
