import type { JsonValue } from "@bufbuild/protobuf";
import { fromJsonString, toJson } from "@bufbuild/protobuf";
import type { HandoffMeta } from "../../src/gen/automation/v1/handoff_pb.ts";
import { HandoffMetaSchema } from "../../src/gen/automation/v1/handoff_pb.ts";
import type { VerdictLineJson } from "../../src/gen/automation/v1/verdict_pb.ts";
import { VerdictLineSchema } from "../../src/gen/automation/v1/verdict_pb.ts";
import {
  AttachIncrementEvidenceRequestSchema,
  AttachIncrementEvidenceResponseSchema,
  RaiseImpedimentRequestSchema,
  RaiseImpedimentResponseSchema,
  RecordItemDoneRequestSchema,
} from "../../src/gen/scrum/v1/scrum_service_pb.ts";
import type { KeyEntry, Ledger } from "./ledger.ts";
import { isExpired } from "./scrum-rules.ts";

/** One run's proof, as it was handed over. */
export interface Proof {
  readonly runId: string;
  readonly key: string;
  readonly confirmedAt: string;
  readonly correlationId: string;
  readonly profileDigest: string;
  /** automation.v1.VerificationSummary. */
  readonly vsa: JsonValue;
  /** automation.v1.EvidenceDigest, each. */
  readonly evidence: JsonValue;
}

export interface Board {
  /** Confirmed calls only. */
  readonly held: {
    readonly increments: readonly {
      readonly tenant: string;
      readonly id: string;
      readonly product: string;
      readonly sprint: string;
      readonly evidence: readonly (Proof & { readonly goals: readonly string[] })[];
    }[];
    readonly doneItems: readonly {
      readonly tenant: string;
      readonly product: string;
      readonly backlogItem: string;
      readonly records: readonly (Proof & { readonly sprint: string; readonly definitionOfDone: string })[];
    }[];
    /** As of their latest occurrence. */
    readonly impediments: readonly {
      readonly tenant: string;
      readonly id: string;
      /** Its id at the scheduler that raised it. */
      readonly impedimentId: string;
      readonly product: string;
      readonly sprint: string;
      readonly backlogItems: readonly string[];
      readonly cause: string;
      readonly summary: string;
      readonly lines: readonly VerdictLineJson[];
      readonly occurrences: number;
      readonly runIds: readonly string[];
    }[];
  };
  /** Tried, and neither confirmed nor cancelled yet. */
  readonly provisional: readonly {
    readonly tenant: string;
    readonly key: string;
    readonly method: string;
    readonly runId: string;
    readonly triedAt: string;
    readonly expiresAt: string | undefined;
  }[];
}

/** Everything that the service holds. It is computed from the keys, so it can't contradict them. */
export function readBoard(ledger: Ledger, now: Date): Board {
  const confirmed = Map.groupBy(ledger.list("CONFIRMED"), ({ method }) => method);
  return {
    held: {
      increments: incrementsOf(confirmed.get("AttachIncrementEvidence") ?? []),
      doneItems: doneItemsOf(confirmed.get("RecordItemDone") ?? []),
      impediments: impedimentsOf(confirmed.get("RaiseImpediment") ?? []),
    },
    provisional: ledger
      .list("TRIED")
      .filter((entry) => !isExpired(entry, now))
      .map(({ tenant, key, method, runId, since, expiresAt }) => ({
        tenant,
        key,
        method,
        runId,
        triedAt: since.toISOString(),
        expiresAt: expiresAt?.toISOString(),
      })),
  };
}

function incrementsOf(entries: readonly KeyEntry[]): Board["held"]["increments"] {
  const attached = entries.map((entry) => {
    const request = fromJsonString(AttachIncrementEvidenceRequestSchema, entry.request);
    const { incrementId } = fromJsonString(AttachIncrementEvidenceResponseSchema, entry.answer);
    const { product, sprint, goals } = request;
    return {
      tenant: entry.tenant,
      id: incrementId,
      product,
      sprint,
      evidence: { ...proofOf(entry, request.meta), goals },
    };
  });
  return grouped(attached, ({ tenant, id }) => [tenant, id]).map(([first, ...more]) => ({
    ...first,
    evidence: [first, ...more].map(({ evidence }) => evidence),
  }));
}

function doneItemsOf(entries: readonly KeyEntry[]): Board["held"]["doneItems"] {
  const recorded = entries.flatMap((entry) => {
    const request = fromJsonString(RecordItemDoneRequestSchema, entry.request);
    const { product, sprint, definitionOfDone, backlogItems, meta } = request;
    const record = { ...proofOf(entry, meta), sprint, definitionOfDone };
    return [...new Set(backlogItems)].map((backlogItem) => ({ tenant: entry.tenant, product, backlogItem, record }));
  });
  return grouped(recorded, ({ tenant, product, backlogItem }) => [tenant, product, backlogItem]).map((records) => {
    const [{ tenant, product, backlogItem }] = records;
    return { tenant, product, backlogItem, records: records.map(({ record }) => record) };
  });
}

function impedimentsOf(entries: readonly KeyEntry[]): Board["held"]["impediments"] {
  const raised = entries.map((entry) => ({
    entry,
    id: fromJsonString(RaiseImpedimentResponseSchema, entry.answer).impedimentId,
    request: fromJsonString(RaiseImpedimentRequestSchema, entry.request),
  }));
  return grouped(raised, ({ entry, id }) => [entry.tenant, id]).map((occurrences) => {
    const latest = occurrences.reduce((a, b) => (b.request.occurrences >= a.request.occurrences ? b : a));
    const { impedimentId, product, sprint, backlogItems, cause, summary, lines } = latest.request;
    return {
      tenant: latest.entry.tenant,
      id: latest.id,
      impedimentId,
      product,
      sprint,
      backlogItems,
      cause,
      summary,
      lines: lines.map((line) => toJson(VerdictLineSchema, line)),
      occurrences: latest.request.occurrences,
      runIds: [...new Set(occurrences.map(({ entry }) => entry.runId))],
    };
  });
}

function proofOf({ runId, key, since }: KeyEntry, meta: HandoffMeta | undefined): Proof {
  const { correlationId, profileDigest, vsa, evidence } = meta === undefined ? {} : toJson(HandoffMetaSchema, meta);
  return {
    runId,
    key,
    confirmedAt: since.toISOString(),
    correlationId: correlationId ?? "",
    profileDigest: profileDigest ?? "",
    vsa: (vsa ?? null) as JsonValue,
    evidence: (evidence ?? []) as JsonValue,
  };
}

/** Groups in the order of their first members. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => readonly string[]): [T, ...T[]][] {
  return [...Map.groupBy(items, (item) => JSON.stringify(keyOf(item))).values()] as [T, ...T[]][];
}
