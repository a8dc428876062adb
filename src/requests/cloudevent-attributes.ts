import { isUtf8 } from "node:buffer";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { Header } from "../runs/outbox/bus-record.ts";
import { isName, namePattern } from "../text/name.ts";
import { utcOf } from "../text/rfc3339.ts";

/** By name; unset ones are left out. */
export type Attributes = ReadonlyMap<string, unknown>;

/** Headers as text, by lower-case name; of a name that comes twice the last value. */
export interface HeaderTexts {
  readonly texts: ReadonlyMap<string, string>;
  /** Headers that say two things, or nothing that can be read. */
  readonly faults: readonly { readonly name: string; readonly rule: string }[];
}

/** A bus lets a header come twice, and be any bytes. */
export function readHeaders(headers: readonly Header[]): HeaderTexts {
  const texts = new Map<string, string>();
  const faults: { name: string; rule: string }[] = [];
  for (const [given, bytes] of headers) {
    const name = given.toLowerCase();
    const text = new TextDecoder().decode(bytes);
    if (!isUtf8(bytes)) faults.push({ name, rule: "must be UTF-8" });
    if ((texts.get(name) ?? text) !== text) faults.push({ name, rule: "must not come twice with two values" });
    texts.set(name, text);
  }
  return { texts, faults };
}

/** @param isMeant - which headers to look at. @returns why one of them can't be read */
export const headerFaults = ({ texts, faults }: HeaderTexts, isMeant: (name: string) => boolean): Reason[] =>
  faults
    .filter(({ name }) => isMeant(name))
    .map(({ name, rule }) => reason("invalid_attribute", name, texts.get(name), rule, "send it once, as UTF-8 text"));

/** Binary mode: attributes are headers that begin with `ce_`. */
export const attributesOfHeaders = ({ texts }: HeaderTexts): Attributes =>
  new Map(
    [...texts]
      .filter(([name, text]) => name.startsWith("ce_") && text !== "")
      .map(([name, text]) => [name.slice("ce_".length), text]),
  );

/** Structured mode: attributes are fields beside the data. */
export const attributesOfFields = (fields: object): Attributes =>
  new Map(Object.entries(fields).filter(([, field]) => field !== null && field !== ""));

/** @returns empty when it is unset, or no text */
export function textOf(attributes: Attributes, name: string): string {
  const value = attributes.get(name);
  return typeof value === "string" ? value : "";
}

/** @returns why the attributes are not those of an event that is read here, all at once */
export function attributeFaults(attributes: Attributes): Reason[] {
  const missing = Object.keys(attributeRules)
    .filter((name) => attributeRules[name]?.required && !attributes.has(name))
    .map((name) => reason("missing_attribute", name, "", "is required", `set the CloudEvents attribute ${name}`));
  const wrong = [...attributes].flatMap(([name, value]) => {
    const [rule, remedy] = faultOf(name, value) ?? [];
    return rule === undefined || remedy === undefined ? [] : [reason("invalid_attribute", name, value, rule, remedy)];
  });
  return [...missing, ...wrong];
}

interface AttributeRule {
  readonly required: boolean;
  readonly rule: string;
  readonly test: (value: string) => boolean;
}

const atMost = (limit: number): AttributeRule => ({
  required: false,
  rule: `must have at most ${limit} characters`,
  test: (value) => value.length <= limit,
});
const oneTo = (limit: number): AttributeRule => ({
  required: true,
  rule: `must have 1 to ${limit} characters`,
  test: (value) => value.length <= limit,
});
const scopeName: AttributeRule = { required: true, rule: `must match ${namePattern.source}`, test: isName };

/** Attributes that are read, in CloudEvents spelling. */
const attributeRules: Readonly<Record<string, AttributeRule>> = {
  specversion: { required: true, rule: 'must be "1.0"', test: (value) => value === "1.0" },
  id: oneTo(200),
  source: oneTo(500),
  type: oneTo(200),
  tenantid: scopeName,
  orgid: scopeName,
  time: {
    required: false,
    rule: "must be an RFC 3339 timestamp of the years 0001 to 9999",
    test: (value) => utcOf(value) !== undefined,
  },
  subject: atMost(500),
  dataschema: atMost(500),
  datacontenttype: atMost(500),
  correlationid: atMost(200),
  causationid: atMost(200),
};

/** Never a reason to refuse an event: `traceContextOf` reads what it can of them. */
export const traceAttributes: readonly string[] = ["traceparent", "tracestate"];

/** Control characters, noncharacters and halves of surrogate pairs, which a CloudEvents String must not have. */
const unfit = /[\p{Cc}\p{Noncharacter_Code_Point}\p{Cs}]/u;

/** @returns rule and remedy */
function faultOf(name: string, value: unknown): readonly [string, string] | undefined {
  const known = Object.hasOwn(attributeRules, name) ? attributeRules[name] : undefined;
  if (!/^[a-z0-9]+$/.test(name))
    return ["is no name of an attribute: lower-case letters and digits", "rename it, or move it to data"];
  if (typeof value !== "string") {
    if (known !== undefined) return ["must be a string", "send it as a JSON string"];
    return typeof value === "boolean" || isInteger(value)
      ? undefined
      : ["must be a string, a boolean or an integer of 32 bits", "send it as one of these, or move it to data"];
  }
  if (traceAttributes.includes(name)) return undefined;
  if (unfit.test(value)) return ["must have no control character and no lone surrogate", "send plain Unicode text"];
  return known?.test(value) === false ? [known.rule, `correct the CloudEvents attribute ${name}`] : undefined;
}

const isInteger = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31;
