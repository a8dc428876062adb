import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { HandoffMeta } from "../../src/gen/automation/v1/handoff_pb.ts";
import { HandoffPhase } from "../../src/gen/automation/v1/run_event_pb.ts";
import type {
  AttachIncrementEvidenceRequest,
  RaiseImpedimentRequest,
  RecordItemDoneRequest,
} from "../../src/gen/scrum/v1/scrum_service_pb.ts";
import { BadInputError } from "./bad-input.ts";
import type { Phase } from "./scrum-rules.ts";

/** A call that is well formed and that the Scrum Team refuses. */
export class TeamRefusesError extends Error {
  override readonly name = "TeamRefusesError";
  readonly code = "failed_precondition";
}

const sha256Hex = /^[0-9a-f]{64}$/;
const idMaxCharacters = 200;

const phases = new Map<HandoffPhase, Phase>([
  [HandoffPhase.TRY, "try"],
  [HandoffPhase.CONFIRM, "confirm"],
  [HandoffPhase.CANCEL, "cancel"],
]);

/**
 * @returns which phase of which key a call is
 * @throws BadInputError when it can't be told
 */
export function readMeta(meta: HandoffMeta | undefined): { readonly meta: HandoffMeta; readonly phase: Phase } {
  const fault = (field: string, value: unknown, rule: string) =>
    new BadInputError({ field: `meta.${field}`, value, rule, remedy: "fill it in as scrum.v1 describes" });
  if (meta === undefined) throw fault("idempotencyKey", undefined, "is required");
  for (const field of ["idempotencyKey", "runId", "tenant", "org"] as const) {
    const length = meta[field].length;
    if (length === 0 || length > idMaxCharacters) throw fault(field, meta[field], "must have 1 to 200 characters");
  }
  const phase = phases.get(meta.phase);
  if (phase === undefined) throw fault("phase", meta.phase, "must be try, confirm or cancel");
  const { expiresAt } = meta;
  if (expiresAt !== undefined && !isMoment(expiresAt))
    throw fault("expiresAt", String(expiresAt.seconds), "must be a moment of the years 1970 to 9999");
  return { meta, phase };
}

/** @throws BadInputError · TeamRefusesError */
export function checkEvidence({ meta, sprint, increment }: AttachIncrementEvidenceRequest): void {
  if (increment === "") demand(sprint !== "", "sprint", sprint, "is required when no increment is named");
  checkVerdict(meta);
}

/** @throws BadInputError · TeamRefusesError */
export function checkDone({ meta, backlogItems }: RecordItemDoneRequest): void {
  demand(backlogItems.length > 0, "backlogItems", backlogItems, "must name the items that are done");
  demand(!backlogItems.includes(""), "backlogItems", backlogItems, "must not hold an empty id");
  checkVerdict(meta);
}

/** @throws BadInputError */
export function checkImpediment({ impedimentId, cause, occurrences }: RaiseImpedimentRequest): void {
  demand(impedimentId !== "", "impedimentId", impedimentId, "is required");
  demand(cause !== "", "cause", cause, "is required");
  demand(occurrences >= 1, "occurrences", occurrences, "must be 1 or more");
}

/** The team accepts only runs that passed their gate, and only evidence that it can look up later. */
function checkVerdict(meta: HandoffMeta | undefined): void {
  const vsa = meta?.vsa;
  demand(
    sha256Hex.test(vsa?.statementSha256 ?? ""),
    "meta.vsa.statementSha256",
    vsa?.statementSha256,
    "must be a sha256 in lower-case hex",
  );
  for (const { statementSha256 } of meta?.evidence ?? [])
    demand(
      sha256Hex.test(statementSha256),
      "meta.evidence.statementSha256",
      statementSha256,
      "must be a sha256 in lower-case hex",
    );
  if (vsa?.verdict?.passed !== true)
    throw new TeamRefusesError("the run's verdict did not pass, and the team accepts only runs that passed");
}

function isMoment({ seconds, nanos }: Timestamp): boolean {
  return seconds >= 0n && seconds < 253_402_300_800n && nanos >= 0 && nanos < 1e9;
}

function demand(holds: boolean, field: string, value: unknown, rule: string): void {
  if (!holds) throw new BadInputError({ field, value, rule, remedy: "send it as scrum.v1 describes" });
}
