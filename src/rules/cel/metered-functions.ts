import type { CelFunc, CelType, CelValue } from "@bufbuild/cel";
import { CelScalar, celEnv, celFunc, celMethod, isCelError, isCelList, isCelMap } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { RE2JS } from "@bufbuild/re2";

/** Longest text that `+` makes, characters, and longest list. */
const longest = { text: 65_536, list: 10_000 } as const;

/** Instructions that a pattern may be compiled to: the time for a text grows with both. */
const largestPattern = 400;

/** Compiled patterns, for all rules together. */
const keptPatterns = 1_000;

/** States that a pattern may keep between two texts. */
const keptStates = 200;

const allowed = new Set([
  ..."!_ -_ _+_ _-_ _*_ _/_ _%_ _==_ _!=_ _<_ _<=_ _>_ _>=_ @in".split(" "),
  ..."size contains endsWith startsWith matches int uint double bool string timestamp duration".split(" "),
  ..."charAt indexOf lastIndexOf lowerAscii upperAscii split substring trim".split(" "),
  ..."getSeconds getMinutes getHours getMilliseconds getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear".split(
    " ",
  ),
]);

/** Counts what an evaluation costs, in steps of about a microsecond. */
export interface Meter {
  /** Steps that are left; below 0 the evaluation has failed, whatever its value. */
  left: number;
}

/** @throws Error when the pattern is none of RE2, or compiles to more than 400 instructions */
export type CompilePattern = (pattern: string) => RE2JS;

/**
 * The functions that an expression may call. Each pays the meter for the size of what it is given before it works.
 * @returns those with signatures that people may write, and all that an environment needs
 */
export function createMeteredFunctions(meter: Meter): {
  readonly callable: readonly CelFunc[];
  readonly functions: CelFunc[];
  readonly compilePattern: CompilePattern;
} {
  const pay = (steps: number): void => {
    meter.left -= steps;
    if (meter.left < 0) throw new Error("it takes too many steps");
  };
  const patterns = new Map<string, RE2JS>();
  const compilePattern: CompilePattern = (pattern) => {
    const known = patterns.get(pattern);
    if (known !== undefined) return known;
    const compiled = RE2JS.compile(pattern);
    const size = compiled.re2().prog.numInst();
    if (size > largestPattern)
      throw new Error(`it compiles to ${size} instructions and may have ${largestPattern}; repeat less`);
    if (patterns.size >= keptPatterns) patterns.clear();
    patterns.set(pattern, compiled);
    return compiled;
  };

  const callable = [...celEnv({ funcs: strings }).funcs].filter(({ name }) => allowed.has(name));
  const metered = callable.map((func) =>
    rebuilt(func, (target, args) => {
      const values = target === undefined ? args : [target, ...args];
      pay(costOf(func.name, values, meter));
      if (func.name === "matches") return testPattern(compilePattern, values, pay);
      const result = func.call(0, target, [...args]);
      if (isCelError(result)) throw new Error(result.message);
      if (result === undefined) throw new Error(`${func.name} takes no such values`);
      return result;
    }),
  );
  const { INT, DYN, BOOL } = CelScalar;
  const loops = [
    celFunc("@step", [INT], BOOL, (parts) => {
      pay(1 + Number(parts) / 8);
      return true;
    }),
    celFunc("@range", [DYN], DYN, (range) => {
      pay(1 + sizeOf(range) / 16);
      return range;
    }),
  ];
  return { callable, functions: [...metered, ...loops], compilePattern };
}

/** The function again, with the same signature, which is what makes it replace the first one. */
function rebuilt(
  { name, target, arguments: args, result }: CelFunc,
  call: (target: CelValue | undefined, args: readonly CelValue[]) => CelValue,
): CelFunc {
  if (target === undefined)
    return celFunc<readonly CelType[], CelType>(name, args, result, (...given) => call(undefined, given));
  return celMethod<CelType, readonly CelType[], CelType>(
    name,
    target,
    args,
    result,
    function (this: CelValue, ...given) {
      return call(this, given);
    },
  );
}

function testPattern(
  compile: CompilePattern,
  [text, pattern]: readonly CelValue[],
  pay: (steps: number) => void,
): boolean {
  const compiled = compile(String(pattern));
  pay((sizeOf(text) * compiled.re2().prog.numInst()) / 200);
  const matches = compiled.test(String(text));
  if (compiled.re2().dfa.stateCount > keptStates) compiled.reset();
  return matches;
}

function costOf(name: string, values: readonly CelValue[], { left }: Meter): number {
  switch (name) {
    case "_==_":
    case "_!=_":
    case "@in":
      return values.reduce<number>((sum, value) => sum + deepCost(value, left - sum), 1);
    case "_+_":
      assertShort(values);
      return 1 + values.reduce<number>((sum, value) => sum + sizeOf(value) / 32, 0);
    case "split":
    case "size":
    case "lowerAscii":
    case "upperAscii":
      return 1 + sizeOf(values[0]) / 8;
    default:
      // a time zone is looked up in the tables of the system
      if (name.startsWith("get")) return values.length > 1 ? 100 : 5;
      return 1 + values.reduce<number>((sum, value) => sum + sizeOf(value) / 32, 0);
  }
}

function assertShort(values: readonly CelValue[]): void {
  const size = values.reduce<number>((sum, value) => sum + sizeOf(value), 0);
  const isList = values.some(isCelList);
  const most = isList ? longest.list : longest.text;
  if (size > most) throw new Error(`+ would make ${isList ? "a list" : "a text"} of ${size}, and may make ${most}`);
}

function sizeOf(value: CelValue | undefined): number {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length;
  return isCelList(value) || isCelMap(value) ? value.size : 0;
}

/** What a comparison goes through at most; it stops counting above `most`. */
function deepCost(value: CelValue, most: number): number {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length / 32;
  if (isCelList(value) || isCelMap(value)) {
    let cost = 1;
    for (const part of isCelMap(value) ? value.values() : value) {
      if (cost > most) return cost;
      cost += 1 + deepCost(part, most - cost);
    }
    return cost;
  }
  return isReflectMessage(value) && !value.desc.typeName.startsWith("google.protobuf.") ? messageCost : 0;
}

/** Of comparing a message, which may be as large as an event; times and durations are small. */
const messageCost = 500;
