import type { JsonObject } from "@bufbuild/protobuf";
import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { MethodologyContextJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";

/** A call to a methodology service before it has a key and a phase. */
export interface HandoffDraft {
  /** Name of the RPC. */
  readonly method: string;
  /** The request as proto JSON, without `meta`. */
  readonly body: JsonObject;
}

/** What became of a call. Only an answer or a refusal is final; a call without an answer is made again with the same key. */
export type CallAnswer =
  | { readonly state: "ACKNOWLEDGED"; readonly answer: JsonObject; readonly returned: RefJson[] }
  | {
      readonly state: "REFUSED";
      /** Connect code: `failed_precondition`, `already_exists`, `not_found`, `invalid_argument` or `permission_denied`. */
      readonly code: string;
      /** The receiver's words; ≤ 1,000 characters. */
      readonly reason: string;
    }
  | {
      readonly state: "UNANSWERED";
      /** For operators: what was tried, what came back and what to look at; ≤ 1,500 characters. */
      readonly error: string;
    };

/** Something that hinders the work, as it stands with its latest occurrence. */
export interface ImpedimentReport {
  /** Id of our record. */
  readonly impedimentId: string;
  readonly cause: string;
  readonly summary: string;
  readonly lines: VerdictLineJson[];
  /** How often the cause came up on the item, this time included. */
  readonly occurrences: number;
}

/** A methodology service, spoken to in its own words. */
export interface Methodology {
  /** How long it may take to answer a call, in milliseconds. */
  readonly tryTimeoutMs: number;
  /** The calls that tell of a run that completed. */
  completionCalls(context: MethodologyContextJson): HandoffDraft[];
  /** The call that tells of an impediment. */
  impedimentCall(context: MethodologyContextJson, report: ImpedimentReport): HandoffDraft;
  /**
   * Makes one call. Never throws for what the receiver, the network, the token or an abort did: those are answers.
   * @throws Error when the call itself is none of this methodology's
   */
  send(
    call: {
      readonly method: string;
      /** The request as proto JSON, `meta` included. */
      readonly request: JsonObject;
    },
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<CallAnswer>;
}
