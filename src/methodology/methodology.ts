import type { DescService, JsonObject } from "@bufbuild/protobuf";
import type { HandoffMetaJson } from "../gen/automation/v1/handoff_pb.ts";
import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";

/** A methodology in its own words: which references its contexts hold and which calls tell its service about a run. It does no I/O. */
export interface Methodology {
  /** The name in profiles, in the operator file and as the field of `MethodologyContext`: `scrum`. */
  readonly method: string;
  /** The contract that its services serve. The request of each RPC has one field of type HandoffMeta. */
  readonly service: DescService;
  /** The list of references that each kind belongs in. A reference of another kind is in none. */
  readonly listOfKind: Readonly<Record<string, keyof ReferencesJson>>;
  /** What a context names: ids trimmed and NFC, empty ones left out. @param context - proto JSON */
  references(context: JsonObject): {
    readonly refs: readonly RefJson[];
    /** Id of the time box that the profile counts in; empty when the context names none. */
    readonly cadenceId: string;
  };
  /** The calls that report a completed run. */
  completionCalls(context: JsonObject): CallDraft[];
  /** The call that reports an impediment. */
  impedimentCall(context: JsonObject, report: ImpedimentReport): CallDraft;
  /** What the answer to a call names, each under its kind. Both arguments are proto JSON. */
  returned(draft: CallDraft, answer: JsonObject): RefJson[];
}

/** A call before it has a key and a phase. */
export interface CallDraft {
  readonly rpc: string;
  /** The request as proto JSON, without its HandoffMeta. */
  readonly payload: JsonObject;
}

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

export type Phase = "TRY" | "CONFIRM" | "CANCEL";

/** One call to a receiver. All phases of a key have the same RPC, meta and payload. */
export interface HandoffCall extends CallDraft {
  readonly phase: Phase;
  readonly meta: Omit<HandoffMetaJson, "phase">;
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

/** A methodology's service at its endpoint. */
export interface Receiver {
  readonly methodology: Methodology;
  /** How long it may take to answer a call, in milliseconds. */
  readonly tryTimeoutMs: number;
  /** Makes one call. Never throws for what the receiver, the network, the token or an abort did: those are answers. */
  send(call: HandoffCall, options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<CallAnswer>;
}

/** Finds a receiver by the name that profiles use; undefined when the operator file does not name it. */
export type ReceiverOf = (name: string) => Receiver | undefined;
