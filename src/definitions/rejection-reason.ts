import type { Violation } from "@bufbuild/protovalidate";
import type { ReasonJson } from "../gen/automation/v1/run_event_pb.ts";
import { cutText, storable } from "../text/strangers-text.ts";

/** Why a request is not accepted. Every part is filled, so that its author can act on it. */
export type Reason = Required<ReasonJson>;

/**
 * Makes every part storable, because a value or a parser's message may quote any text.
 * @param value - shown cut to 200 characters
 * @param rule - shown cut to 500 characters
 */
export function reason(code: string, field: string, value: unknown, rule: string, remedy: string): Reason {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return { code, field: shown(field, 200), value: shown(text, 200), rule: shown(rule, 500), remedy: storable(remedy) };
}

const shown = (text: string, most: number): string => storable(cutText(text, most));

const toldViolations = 50;

/** One reason per violated rule of the proto, 50 at most. @param message - to show the value that broke it */
export function reasonsOfViolations(violations: readonly Violation[], message: object): Reason[] {
  return violations.slice(0, toldViolations).map((violation) => {
    const path = violation.field.map((part) =>
      "name" in part ? part.name : part.kind === "list_sub" ? String(part.index) : part.kind,
    );
    return reason(
      "invalid_field",
      path.join("."),
      valueAt(
        message,
        violation.field.flatMap((part) => {
          if (part.kind === "list_sub") return String(part.index);
          if (part.kind === "map_sub") return String(part.key);
          if (part.kind !== "field") return "";
          return part.oneof === undefined ? part.localName : [part.oneof.localName, "value"];
        }),
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
