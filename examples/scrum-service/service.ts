import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";
import type { HandoffMeta } from "../../src/gen/automation/v1/handoff_pb.ts";
import type { ScrumService } from "../../src/gen/scrum/v1/scrum_service_pb.ts";
import {
  AttachIncrementEvidenceRequestSchema,
  AttachIncrementEvidenceResponseSchema,
  RaiseImpedimentRequestSchema,
  RaiseImpedimentResponseSchema,
  RecordItemDoneRequestSchema,
  RecordItemDoneResponseSchema,
} from "../../src/gen/scrum/v1/scrum_service_pb.ts";
import { BadInputError } from "./bad-input.ts";
import type { Behaviours } from "./behaviour.ts";
import type { KeyEntry, Ledger } from "./ledger.ts";
import type { Phase } from "./scrum-rules.ts";
import { rule } from "./scrum-rules.ts";
import { checkDone, checkEvidence, checkImpediment, readMeta, TeamRefusesError } from "./team-rules.ts";

/** Cuts the connection that a call came on. */
export const cutKey = createContextKey<() => void>(() => {}, { description: "cuts the connection of a call" });

export interface ServiceDeps {
  readonly ledger: Ledger;
  readonly behaviours: Behaviours;
  readonly now: () => Date;
  /** Called after each call, with its outcome. */
  readonly onCall: (call: { method: string; phase: string; runId: string; outcome: string }) => void;
  /** Ends running delays. */
  readonly signal: AbortSignal;
}

/** What differs between the methods. */
interface Method<I extends DescMessage, O extends DescMessage> {
  readonly name: string;
  readonly input: I;
  readonly output: O;
  /** What a try must satisfy. */
  readonly check: (request: MessageShape<I>) => void;
  readonly answer: (request: MessageShape<I>, tenant: string) => MessageShape<O>;
}

/** `scrum.v1.ScrumService` over the ledger: checks, rules on the key, and records the call in one transaction before it answers. */
export function createScrumService(deps: ServiceDeps): ServiceImpl<typeof ScrumService> {
  const { idOf } = deps.ledger;
  return {
    attachIncrementEvidence: handling(deps, {
      name: "AttachIncrementEvidence",
      input: AttachIncrementEvidenceRequestSchema,
      output: AttachIncrementEvidenceResponseSchema,
      check: checkEvidence,
      answer: ({ product, sprint, increment }, tenant) =>
        create(AttachIncrementEvidenceResponseSchema, {
          incrementId: increment === "" ? idOf(tenant, "INC", [product, sprint]) : increment,
        }),
    }),
    recordItemDone: handling(deps, {
      name: "RecordItemDone",
      input: RecordItemDoneRequestSchema,
      output: RecordItemDoneResponseSchema,
      check: checkDone,
      answer: () => create(RecordItemDoneResponseSchema),
    }),
    raiseImpediment: handling(deps, {
      name: "RaiseImpediment",
      input: RaiseImpedimentRequestSchema,
      output: RaiseImpedimentResponseSchema,
      check: checkImpediment,
      answer: ({ impedimentId }, tenant) =>
        create(RaiseImpedimentResponseSchema, { impedimentId: idOf(tenant, "IMP", [impedimentId]) }),
    }),
  };
}

function handling<I extends DescMessage, O extends DescMessage>(deps: ServiceDeps, method: Method<I, O>) {
  return async (
    request: MessageShape<I> & { meta?: HandoffMeta },
    context: HandlerContext,
  ): Promise<MessageShape<O>> => {
    const told = { method: method.name, phase: "", runId: request.meta?.runId ?? "" };
    try {
      const { meta, phase } = readMeta(request.meta);
      told.phase = phase;
      const answer = await misbehaving(deps, { method: method.name, meta, phase, context }, () =>
        record(deps, method, { request, meta, phase }),
      );
      deps.onCall({ ...told, outcome: "answered" });
      return answer;
    } catch (error) {
      const refusal = toConnectError(error);
      deps.onCall({ ...told, outcome: `${Code[refusal.code]}: ${refusal.rawMessage}` });
      throw refusal;
    }
  };
}

/** Does the work of a call, with the behaviours that are set. */
async function misbehaving<T>(
  { behaviours, ledger, signal }: ServiceDeps,
  call: { method: string; meta: HandoffMeta; phase: Phase; context: HandlerContext },
  work: () => T,
): Promise<T> {
  const told = behaviours.take(call.method, call.phase);
  for (const each of told) {
    if (each.action === "delay") await sleep(each.delayMs, undefined, { signal });
    if (each.action === "refuse") throw new TeamRefusesError(each.reason);
    if (each.action === "forget") ledger.forget(call.meta.tenant, call.meta.idempotencyKey);
  }
  const answer = work();
  if (told.some(({ action }) => action === "lose_reply")) {
    call.context.values.get(cutKey)();
    throw new ConnectError("the reply was lost", Code.Unavailable);
  }
  return answer;
}

function record<I extends DescMessage, O extends DescMessage>(
  { ledger, now }: ServiceDeps,
  method: Method<I, O>,
  { request, meta, phase }: { request: MessageShape<I>; meta: HandoffMeta; phase: Phase },
): MessageShape<O> {
  const { tenant, idempotencyKey: key, runId } = meta;
  const content = toJsonString(method.input, request);
  const digest = createHash("sha256").update(content).digest("hex");
  const at = now();
  return ledger.inTransaction(() => {
    ledger.dropExpired(at);
    const known = ledger.find(tenant, key);
    const expiresAt = meta.expiresAt && timestampDate(meta.expiresAt);
    const ruling = rule(known, { method: method.name, phase, digest, expiresAt }, at);
    if (ruling.outcome === "refused") throw new ConnectError(ruling.reason, codes[ruling.code]);
    if (ruling.outcome === "becomes" && phase === "try") method.check(request);
    const nothing = create(method.output);
    const entry: KeyEntry = known ?? {
      tenant,
      key,
      runId,
      method: method.name,
      state: "TRIED",
      since: at,
      expiresAt,
      request: content,
      answer: toJsonString(method.output, phase === "try" ? method.answer(request, tenant) : nothing),
      digests: { try: null, confirm: null, cancel: null },
    };
    if (ruling.outcome === "becomes")
      ledger.put({ ...entry, state: ruling.state, since: at, digests: { ...entry.digests, [phase]: digest } });
    return phase === "cancel" ? nothing : fromJsonString(method.output, entry.answer);
  });
}

const codes = {
  failed_precondition: Code.FailedPrecondition,
  already_exists: Code.AlreadyExists,
  not_found: Code.NotFound,
} as const;

function toConnectError(error: unknown): ConnectError {
  if (error instanceof BadInputError) return new ConnectError(error.message, Code.InvalidArgument);
  if (error instanceof TeamRefusesError) return new ConnectError(error.message, Code.FailedPrecondition);
  return ConnectError.from(error, Code.Internal);
}
