import { sha256Hex } from "../../../src/artifacts/blobs.ts";
import type { RunEventJson } from "../../../src/gen/automation/v1/run_event_pb.ts";
import { canonicalJson } from "../../../src/text/canonical-json.ts";

/** @returns sha256, lower-case hex, of the event's RFC 8785 JSON */
export function hashEvent(event: RunEventJson): string {
  return sha256Hex(canonicalJson(event));
}
