/** W3C Trace Context, as events of the run carry it. */
export interface TraceContext {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const stateLimit = { characters: 512, members: 32, longMember: 128 };

/**
 * Reads a trace context by the rules of W3C Trace Context level 2 and never refuses one: an unreadable parent starts a new trace,
 * an unreadable state is dropped. A newer version is carried on as version 00.
 */
export function traceContextOf(traceparent: unknown, tracestate: unknown): TraceContext {
  const parent = typeof traceparent === "string" ? parentOf(traceparent) : undefined;
  if (parent === undefined) return {};
  const state = typeof tracestate === "string" ? stateOf(tracestate) : undefined;
  return state === undefined ? { traceparent: parent } : { traceparent: parent, tracestate: state };
}

function parentOf(text: string): string | undefined {
  const found = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(text);
  if (found === null) return undefined;
  const [whole, version, traceId = "", parentId = "", flags = ""] = found;
  if (version === "ff" || /^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  if (version === "00") return whole.length === 55 ? whole : undefined;
  const knownFlags = Number.parseInt(flags, 16) & 0b11; // sampled, random
  return `00-${traceId}-${parentId}-0${knownFlags}`;
}

/** Key and value of a member (level 2, section 3.3.1.3). */
const member = /^([a-z0-9][a-z0-9_*/@-]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** A state that is too long loses its long members first, then its last ones (section 3.3.1.5). */
function stateOf(text: string): string | undefined {
  const members = text
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const keys = members.map((each) => member.exec(each)?.[1]);
  if (keys.length > stateLimit.members || keys.includes(undefined) || new Set(keys).size < keys.length)
    return undefined;
  const isLong = members.join(",").length > stateLimit.characters;
  const kept = isLong ? members.filter(({ length }) => length <= stateLimit.longMember) : members;
  while (kept.join(",").length > stateLimit.characters) kept.pop();
  return kept.join(",") || undefined;
}
