import type { CelFunc, CelType } from "@bufbuild/cel";
import { CelScalar, listType, mapType, objectType } from "@bufbuild/cel";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { AnySchema, ListValueSchema, StructSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { ExpressionFaultError, placeOf } from "./expression-fault.ts";
import type { Expr, Loop } from "./expression-tree.ts";

const { BOOL, BYTES, DOUBLE, DYN, INT, NULL, STRING, UINT } = CelScalar;

/** Of a list without elements: it takes whatever is added to it. */
const emptyList = listType(DYN);

/** Of free data, such as `request.parameters`. */
export const struct = mapType(STRING, DYN);

type Scope = ReadonlyMap<string, CelType>;
type Constant = Extract<Expr["exprKind"], { case: "constExpr" }>["value"]["constantKind"];
type Call = Extract<Expr["exprKind"], { case: "callExpr" }>["value"];

/**
 * Finds the type of an expression, so that a name or comparison that can't be right is refused before an event meets it.
 * What is in `request.parameters` has no type before the event comes, and is not checked here.
 * @param options.functions - all that may be called, with their signatures
 * @throws ExpressionFaultError
 */
export function checkTypes(
  root: Expr,
  options: {
    readonly source: string;
    readonly offsetOf: (node: Expr) => number;
    readonly variables: Readonly<Record<string, CelType>>;
    readonly functions: readonly CelFunc[];
  },
): CelType {
  const { source, offsetOf, functions } = options;

  const refuse = (node: Expr, rule: string): never => {
    throw new ExpressionFaultError(source, placeOf(source, offsetOf(node)), rule);
  };

  const typeOf = (node: Expr | undefined, scope: Scope): CelType => {
    if (node === undefined) return DYN;
    const { exprKind } = node;
    switch (exprKind.case) {
      case "constExpr":
        return typeOfConstant(node, exprKind.value.constantKind);
      case "identExpr": {
        const { name } = exprKind.value;
        const known = [...scope.keys()].filter((each) => !each.startsWith("@")).join(", ");
        return scope.get(name) ?? refuse(node, `"${name}" is not known here; use one of ${known}`);
      }
      case "selectExpr": {
        const { operand, field, testOnly } = exprKind.value;
        const found = selected(node, typeOf(operand, scope), field);
        if (testOnly) return BOOL;
        return found === struct ? refuse(node, `"${field}" can only be read as request.${field}; write it so`) : found;
      }
      case "listExpr":
        if (exprKind.value.elements.length === 0) return emptyList;
        return listType(exprKind.value.elements.map((each) => typeOf(each, scope)).reduce(joined));
      case "structExpr": {
        if (exprKind.value.messageName !== "")
          return refuse(node, `a rule makes no message ${exprKind.value.messageName}; compare its fields`);
        const values = exprKind.value.entries.map(({ keyKind, value }) => {
          const key = keyKind.case === "mapKey" ? typeOf(keyKind.value, scope) : DYN;
          if (![STRING, INT, UINT, BOOL, DYN].some((allowed) => allowed === key))
            refuse(node, `a key of type ${key} can't be in a map; use a string, int, uint or bool`);
          return typeOf(value, scope);
        });
        return mapType(DYN, values.length === 0 ? DYN : values.reduce(joined));
      }
      case "comprehensionExpr":
        return typeOfLoop(node, exprKind.value, scope);
      case "callExpr":
        return typeOfCall(node, exprKind.value, scope);
      default:
        return refuse(node, "this is no expression; correct it");
    }
  };

  const typeOfConstant = (node: Expr, { case: kind, value }: Constant): CelType => {
    if (kind === "int64Value" && BigInt.asIntN(64, value) !== value)
      return refuse(node, `${value} is larger than an int can be; use a double, such as ${value}.0`);
    if (kind === "uint64Value" && BigInt.asUintN(64, value) !== value)
      return refuse(node, `${value} is larger than a uint can be; use a double, such as ${value}.0`);
    return typeOfLiteral(kind);
  };

  const selected = (node: Expr, operand: CelType, field: string): CelType => {
    if (operand === DYN) return DYN;
    if (operand.kind === "map") return operand.value;
    if (operand.kind !== "object" || operand.desc === undefined)
      return refuse(node, `a value of type ${operand} has no field "${field}"; only messages and maps have`);
    const found = operand.desc.fields.find(({ name }) => name === field);
    if (found !== undefined) return typeOfField(found);
    const names = operand.desc.fields.map(({ name }) => name).join(", ");
    return refuse(node, `${operand.desc.typeName} has no field "${field}"; use one of ${names}`);
  };

  const typeOfLoop = (node: Expr, loop: Loop, scope: Scope): CelType => {
    const range = typeOf(loop.iterRange, scope);
    if (range !== DYN && range.kind !== "list" && range.kind !== "map")
      refuse(loop.iterRange ?? node, `a value of type ${range} can't be gone over; use a list or a map`);
    const item = range.kind === "list" ? range.element : range.kind === "map" ? range.key : DYN;
    const start = typeOf(loop.accuInit, scope);
    const inside = new Map([...scope, [loop.iterVar, item], [loop.accuVar, start]]);
    typeOf(loop.loopCondition, inside);
    const end = typeOf(loop.loopStep, inside);
    return typeOf(loop.result, new Map([...inside, [loop.accuVar, joined(start, end)]]));
  };

  const typeOfCall = (node: Expr, call: Call, scope: Scope): CelType => {
    const target = call.target === undefined ? undefined : typeOf(call.target, scope);
    const given = call.args.map((each) => typeOf(each, scope));
    const [first = DYN, second = DYN, third = DYN] = given;
    const must = (index: number, wanted: CelType, what: string) => {
      const type = given[index] ?? DYN;
      if (!fits(type, wanted)) refuse(call.args[index] ?? node, `${what} is of type ${type}, and must be ${wanted}`);
    };
    switch (call.function) {
      case "_&&_":
      case "_||_":
        for (const index of given.keys()) must(index, BOOL, `a side of ${call.function.slice(1, -1)}`);
        return BOOL;
      case "@not_strictly_false":
        return BOOL;
      case "_?_:_":
        must(0, BOOL, "what is asked before ?");
        if (joined(second, third) === DYN && second !== DYN && third !== DYN)
          refuse(node, `one side of : is of type ${second}, the other of type ${third}; give both one type`);
        return joined(second, third);
      case "_==_":
      case "_!=_":
        if (!areComparable(first, second))
          refuse(
            node,
            `a value of type ${first} never equals one of type ${second}; compare values of one type, or convert one of them`,
          );
        return BOOL;
      case "@in":
        if (second.kind === "list" || second.kind === "map") {
          const member = second.kind === "list" ? second.element : second.key;
          if (!areComparable(first, member))
            refuse(node, `a value of type ${first} is never in a ${second}; look for one of its own type`);
        } else if (second !== DYN)
          refuse(node, `a value of type ${second} has no members; use in with a list or a map`);
        return BOOL;
      case "_[_]":
        if (first.kind === "list") {
          must(1, INT, "the index of a list");
          return first.element;
        }
        if (first.kind === "map") return first.value;
        if (first !== DYN) refuse(node, `a value of type ${first} has no index; only lists and maps have`);
        return DYN;
      case "_+_":
        if (first.kind === "list" && second.kind === "list") return joined(first, second);
        break;
      default:
    }
    return resultOf(node, call, target, given);
  };

  const resultOf = (node: Expr, call: Call, target: CelType | undefined, given: readonly CelType[]): CelType => {
    const name = call.function;
    const named = functions.filter((each) => each.name === name);
    if (named.length === 0)
      return refuse(node, `there is no function ${shownName(name)}; use one of ${namesOf(functions).join(", ")}`);
    const matching = named.filter(
      (each) =>
        (each.target === undefined) === (target === undefined) &&
        (each.target === undefined || target === undefined || fits(target, each.target)) &&
        each.arguments.length === given.length &&
        each.arguments.every((wanted, index) => fits(given[index] ?? DYN, wanted)),
    );
    const [only, ...others] = matching;
    if (only !== undefined) return others.every(({ result }) => result === only.result) ? only.result : DYN;
    const signatures = [...new Set(named.map(signatureOf))].join(", ");
    const called = signatureOf({ name, target, arguments: given });
    return refuse(node, `${called} does not exist; there is ${signatures}`);
  };

  return typeOf(root, new Map(Object.entries(options.variables)));
}

function typeOfLiteral(kind: Constant["case"]): CelType {
  switch (kind) {
    case "boolValue":
      return BOOL;
    case "bytesValue":
      return BYTES;
    case "doubleValue":
      return DOUBLE;
    case "int64Value":
      return INT;
    case "uint64Value":
      return UINT;
    case "stringValue":
      return STRING;
    case "nullValue":
      return NULL;
    default:
      return DYN;
  }
}

function typeOfField(field: DescField): CelType {
  switch (field.fieldKind) {
    case "scalar":
      return typeOfScalar(field.scalar);
    case "enum":
      return INT;
    case "message":
      return typeOfMessage(field.message);
    case "list":
      return listType(typeOfItem(field.listKind, field));
    case "map":
      return mapType(DYN, typeOfItem(field.mapKind, field));
  }
}

function typeOfItem(kind: "scalar" | "enum" | "message", item: Pick<DescField, "scalar" | "message">): CelType {
  if (kind === "message" && item.message !== undefined) return typeOfMessage(item.message);
  return kind === "scalar" && item.scalar !== undefined ? typeOfScalar(item.scalar) : INT;
}

function typeOfScalar(scalar: ScalarType): CelType {
  switch (scalar) {
    case ScalarType.BOOL:
      return BOOL;
    case ScalarType.STRING:
      return STRING;
    case ScalarType.BYTES:
      return BYTES;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return DOUBLE;
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
      return UINT;
    default:
      return INT;
  }
}

function typeOfMessage(desc: DescMessage): CelType {
  switch (desc.typeName) {
    case StructSchema.typeName:
      return struct;
    case ListValueSchema.typeName:
      return listType(DYN);
    case ValueSchema.typeName:
    case AnySchema.typeName:
      return DYN;
    default:
      return objectType(desc);
  }
}

/** Whether a value of one type may stand where another is wanted, as far as that is known before the event. */
function fits(given: CelType, wanted: CelType): boolean {
  if (given === DYN || wanted === DYN) return true;
  if (given.kind === "list" && wanted.kind === "list") return fits(given.element, wanted.element);
  if (given.kind === "map" && wanted.kind === "map")
    return fits(given.key, wanted.key) && fits(given.value, wanted.value);
  return given.kind === wanted.kind && given.name === wanted.name;
}

const isNumber = (type: CelType): boolean => type === INT || type === UINT || type === DOUBLE;

/** Whether two values can be equal; a message is never null. */
const areComparable = (left: CelType, right: CelType): boolean =>
  fits(left, right) || (isNumber(left) && isNumber(right));

/** The type of either of two. */
function joined(left: CelType, right: CelType): CelType {
  if (left === emptyList && right.kind === "list") return right;
  if (right === emptyList && left.kind === "list") return left;
  if (left.kind === "list" && right.kind === "list") return listType(joined(left.element, right.element));
  if (left.kind === "map" && right.kind === "map")
    return mapType(left.key === right.key ? left.key : DYN, joined(left.value, right.value));
  return left.kind === right.kind && left.name === right.name ? left : DYN;
}

const shownName = (name: string): string => (/^[a-zA-Z]/.test(name) ? name : name.replaceAll("_", " ").trim());

const namesOf = (functions: readonly CelFunc[]): string[] =>
  [...new Set(functions.map(({ name }) => name))].filter((name) => /^[a-zA-Z]/.test(name)).toSorted();

function signatureOf(func: Pick<CelFunc, "name" | "target"> & { readonly arguments: readonly CelType[] }): string {
  const shown = func.arguments.map(String);
  if (!/^[a-zA-Z]/.test(func.name))
    return shown.length === 1 ? `${shownName(func.name)}${shown[0]}` : shown.join(` ${shownName(func.name)} `);
  return `${func.target === undefined ? "" : `${func.target}.`}${func.name}(${shown.join(", ")})`;
}
