import type { z } from "zod";

/** Something a caller sent that this service can't take. */
export class BadInputError extends Error {
  override readonly name = "BadInputError";
  readonly code = "invalid_argument";
  readonly field: string;
  readonly value: unknown;
  readonly rule: string;
  readonly remedy: string;
  constructor(fault: { field: string; value: unknown; rule: string; remedy: string }) {
    const { field, value, rule, remedy } = fault;
    super(`${field} ${value === undefined ? "(absent)" : shorten(JSON.stringify(value))}: ${rule}; ${remedy}`);
    this.field = field;
    this.value = value;
    this.rule = rule;
    this.remedy = remedy;
  }
}

/**
 * Checks a JSON body.
 * @param remedy - what to send instead
 * @throws BadInputError for its first fault
 */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown, remedy: string): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = [...(issue?.path ?? []), ...(issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [])];
  const value = path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], body);
  throw new BadInputError({ field: path.join(".") || "body", value, rule: issue?.message ?? "is not usable", remedy });
}

function shorten(text: string): string {
  return text.length <= 200 ? text : `${[...text.slice(0, 200)].slice(0, -1).join("")}…`;
}
