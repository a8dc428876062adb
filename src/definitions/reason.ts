import type { Violation } from "@bufbuild/protovalidate";
import type { ReasonJson } from "../gen/automation/v1/run_event_pb.ts";

/** Why something is not accepted; every part is filled, so that its author can act on it. */
export type Reason = Required<ReasonJson>;

const shownLength = 200;

/** @param value - shown cut to 200 characters */
export function reason(code: string, field: string, value: unknown, rule: string, remedy: string): Reason {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  const shown = text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
  return { code, field, value: shown.toWellFormed().replaceAll("\0", "\u2400"), rule, remedy };
}

/** One reason per violated rule of the proto. @param message - to show the value that broke it */
export function reasonsOfViolations(violations: readonly Violation[], message: object): Reason[] {
  return violations.map((violation) => {
    const path = violation.field.map((part) =>
      "name" in part ? part.name : part.kind === "list_sub" ? String(part.index) : part.kind,
    );
    return reason(
      "invalid_field",
      path.join("."),
      valueAt(
        message,
        violation.field.map((part) =>
          "localName" in part ? String(part.localName) : part.kind === "list_sub" ? String(part.index) : "",
        ),
      ),
      violation.message,
      "correct the field and send it again under a new event id",
    );
  });
}

function valueAt(message: object, path: readonly string[]): unknown {
  let value: unknown = message;
  for (const part of path)
    value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[part] : undefined;
  return typeof value === "object" ? "" : String(value ?? "");
}
