import type { parse } from "@bufbuild/cel";

/** A parsed expression. */
export type ParsedExpression = ReturnType<typeof parse>;

/** A node of it. */
export type Expr = ParsedExpression["expr"];

/** A loop, which `all`, `exists`, `exists_one`, `filter` and `map` are written out as. */
export type Loop = Extract<Expr["exprKind"], { case: "comprehensionExpr" }>["value"];

/** The parts of a node. Of a loop, its condition, step and result are repeated; what it goes over is not. */
export function childrenOf({ exprKind }: Expr): { readonly child: Expr; readonly isRepeated: boolean }[] {
  const once = (...found: readonly (Expr | undefined)[]) =>
    found.flatMap((child) => (child === undefined ? [] : [{ child, isRepeated: false }]));
  switch (exprKind.case) {
    case "selectExpr":
      return once(exprKind.value.operand);
    case "callExpr":
      return once(exprKind.value.target, ...exprKind.value.args);
    case "listExpr":
      return once(...exprKind.value.elements);
    case "structExpr":
      return once(
        ...exprKind.value.entries.flatMap(({ keyKind, value }) => [
          keyKind.case === "mapKey" ? keyKind.value : undefined,
          value,
        ]),
      );
    case "comprehensionExpr": {
      const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
      const repeated = [loopCondition, loopStep, result].flatMap((child) => (child === undefined ? [] : [child]));
      return [...once(iterRange, accuInit), ...repeated.map((child) => ({ child, isRepeated: true }))];
    }
    default:
      return [];
  }
}
