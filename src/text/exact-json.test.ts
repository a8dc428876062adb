import { describe, expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import { readExactJson } from "./exact-json.ts";

const faultsOf = (text: string) => readExactJson(text, 8).faults.map(({ path, rule }) => `${path.join(".")} ${rule}`);

describe("JSON that is read exactly", () => {
  it.each([
    ["0", "-0", "0.0", "0e999999999999999999999", "0.000e-7"],
    ["15", "1.5e1", "15.000", "0.00015E+5", "1500e-2"],
    ["0.1", "1e-1", "0.10"],
    ["9007199254740992", "9007199254740992.0"],
    ["1e23", "100000000000000000000000"],
    ["5e-324"],
    ["-1.7976931348623157e308"],
  ])("takes %s as the number it is, however it is written", (...written) => {
    for (const each of written) expect(faultsOf(each)).toEqual([]);
    expect(new Set(written.map((each) => canonicalJson(JSON.parse(each)))).size).toBe(1);
  });

  it.each([
    ...["1524831183200260097", "9007199254740993", "-9007199254740993", "1e400", "-1e400", "1e-400", "4e-324"],
    ...["0.10000000000000001", "0.3000000000000000444", "123456789.123456789123", "1.00000000000000000001"],
    ...[`1${"0".repeat(400)}`, `0.${"0".repeat(400)}1`, "1e999999999999999999999", "1e-999999999999999999999"],
  ])("refuses %s, which a double would change", (written) => {
    expect(faultsOf(`{"a":[${written}]}`)).toEqual([expect.stringMatching(/^a\.0 must be a number that a double/)]);
  });

  it("names what stands twice, in whatever spelling and however deep, and only within its own object", () => {
    expect(faultsOf('{"a":[{"b":1,"\\u0062":1}],"c":{"b":1}}')).toEqual(["a.0.b must come once in its object"]);
    expect(faultsOf('{"__proto__":1,"__proto__":2,"constructor":3}')).toEqual([
      "__proto__ must come once in its object",
    ]);
  });

  it("names text that can't be kept", () => {
    expect(faultsOf('{"a":"\\u0000","\\ud800":1}')).toEqual([
      "a must have no NUL and no lone surrogate",
      "\ud800 must have no NUL and no lone surrogate",
    ]);
  });

  it("is bounded: in depth, also of a hundred thousand brackets, and in what it tells", () => {
    expect(faultsOf("[".repeat(8) + "]".repeat(8))).toEqual([]);
    for (const deep of [9, 100_000])
      expect(faultsOf("[".repeat(deep) + "]".repeat(deep))).toEqual([expect.stringContaining("at most 8 levels deep")]);
    expect(faultsOf(`[${Array(1_000).fill("1e400").join()}]`)).toHaveLength(20);
  });

  it.each(["", "{", "[1,]", "01", "'a'", "// a\n1", "NaN", "1 2"])("throws at %j, which is no JSON", (text) => {
    expect(() => readExactJson(text, 8)).toThrow(SyntaxError);
  });
});
