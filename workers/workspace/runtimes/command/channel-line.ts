import { withoutEscapes } from "../../../../src/text/escape-sequences.ts";
import { cutText } from "../../../../src/text/strangers-text.ts";
import type { Tell } from "../step-end.ts";

/** What one line on the channel of a box means. */
export type ChannelLine =
  | { readonly kind: "event"; readonly event: Parameters<Tell>[0] }
  | { readonly kind: "result"; readonly result: unknown }
  /** An event that only the host may send. */
  | { readonly kind: "forged"; readonly type: string }
  | { readonly kind: "dropped"; readonly fault: string };

/** UTF-16 units, so that an event has at most 64 KiB as JSON, whatever its characters are. */
const most = { text: 16_000, name: 200, path: 1_000, title: 500, items: 50, itemText: 300, type: 100 } as const;

const decoder = new TextDecoder("utf-8", { fatal: true });

const phases: Readonly<Record<string, "REQUESTED" | "STARTED" | "OUTPUT" | "COMPLETED">> = {
  "tool.requested": "REQUESTED",
  "tool.started": "STARTED",
  "tool.output": "OUTPUT",
  "tool.completed": "COMPLETED",
};

/** First words of event types that only the host may send. */
const hostWords = new Set([
  "approval",
  "attestation",
  "budget",
  "captured",
  "file",
  "handoff",
  "lifecycle",
  "policy",
  "run",
  "seal",
  "status",
  "step",
  "tests",
  "tree",
  "usage",
  "verdict",
  "workspace",
]);

/**
 * Reads a line of `run-events/1`; see docs/personas.md.
 * @param clean - redacts a text
 */
export function readChannelLine(line: Uint8Array, stepId: string, clean: (text: string) => string): ChannelLine {
  let said: unknown;
  try {
    said = JSON.parse(decoder.decode(line));
  } catch (error) {
    return { kind: "dropped", fault: error instanceof SyntaxError ? "is not JSON" : "is not UTF-8" };
  }
  if (!isObject(said)) return { kind: "dropped", fault: "is not a JSON object" };
  const { type } = said;
  if (typeof type !== "string") return { kind: "dropped", fault: "has no type" };
  if (speaksForHost(type)) return { kind: "forged", type: cutText(clean(withoutEscapes(type)), most.type) };
  if (type === "result") return { kind: "result", result: said.result };
  const event = eventOf(type, said, stepId, (text, units) => cutText(clean(withoutEscapes(text)), units));
  return typeof event === "string" ? { kind: "dropped", fault: event } : { kind: "event", event };
}

function speaksForHost(type: string): boolean {
  const words =
    type
      .replace(/([a-z])([A-Z])/g, "$1.$2")
      .toLowerCase()
      .match(/[a-z]+/g) ?? [];
  const [first = "", second = ""] = words;
  return hostWords.has(first) || (first === "tool" && (second === "denied" || second === "approved"));
}

type Shown = (text: string, units: number) => string;

/** @returns the event, or what is wrong with its fields */
function eventOf(
  type: string,
  said: Readonly<Record<string, unknown>>,
  stepId: string,
  shown: Shown,
): Parameters<Tell>[0] | string {
  const phase = Object.hasOwn(phases, type) ? phases[type] : undefined;
  if (phase !== undefined) {
    const { name, detail = "" } = said;
    if (typeof name !== "string" || typeof detail !== "string")
      return `of type ${type} must have texts name and detail`;
    return {
      tool: { stepId, name: shown(name, most.name), phase: `TOOL_PHASE_${phase}`, detail: shown(detail, most.text) },
    };
  }
  switch (type) {
    case "message": {
      if (typeof said.text !== "string") return "of type message must have a text";
      const text = shown(said.text, most.text);
      return { message: { text, stepId, ...(said.text.length > most.text ? { truncated: true } : {}) } };
    }
    case "plan": {
      if (!Array.isArray(said.items)) return "of type plan must have a list items";
      const items = said.items.slice(0, most.items).map((item: unknown) => {
        if (!isObject(item) || typeof item.text !== "string") return undefined;
        const { text, done = false } = item;
        return typeof done === "boolean" ? { text: shown(text, most.itemText), done } : undefined;
      });
      const whole = items.filter((item) => item !== undefined);
      return whole.length < items.length
        ? "of type plan must have items {text, done}"
        : { plan: { stepId, items: whole } };
    }
    case "artifact": {
      const { path, title = "" } = said;
      if (typeof path !== "string" || typeof title !== "string")
        return "of type artifact must have texts path and title";
      return { artifact: { stepId, path: shown(path, most.path), title: shown(title, most.title) } };
    }
    case "progress": {
      const { percent, text = "" } = said;
      const isPercent = typeof percent === "number" && percent >= 0 && percent <= 100;
      if (!isPercent || typeof text !== "string") return "of type progress must have a percent 0–100 and a text";
      return { progress: { stepId, percent: Math.round(percent), text: shown(text, most.text) } };
    }
    default:
      return "has an unknown type";
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
