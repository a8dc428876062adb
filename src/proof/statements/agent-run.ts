import { resourceUri } from "./resource-uri.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";
import { workFacts } from "./work-facts.ts";

/** @returns the predicate type: `<base>/agent-run/v1` */
const agentRunType = (baseUri: string): string => `${baseUri}/agent-run/v1`;

/** Causes whose reason is in the words of the persona. */
const toldByPersona = new Set(["gave_up", "needs_human"]);

/**
 * What a run was asked to do, did, and how it ended. Each group of facts has its vantage: `worker-observed` for what the scheduler and its worker saw, `third-party` for what the requester says,
 * `agent-reported` for what a persona says about itself.
 */
export function agentRunStatement(end: RunEnd): Statement {
  const { baseUri, run, outcome, cause, reason, log, at } = end;
  const work = workFacts(end);
  return writeStatement(end, log, {
    kind: "agent-run",
    predicateType: agentRunType(baseUri),
    outcome,
    predicate: {
      run: {
        id: run.runId,
        uri: resourceUri(run.tenant, "run", run.runId),
        tenant: run.tenant,
        org: run.org,
        generation: run.generation,
      },
      request: {
        id: run.requestId,
        source: run.source,
        eventId: run.eventId,
        workKind: run.workKind,
        ...(run.correlationId === null ? {} : { correlationId: run.correlationId }),
        ...(run.requested.initiator === undefined ? {} : { initiator: run.requested.initiator }),
      },
      definition: { id: run.definitionId, version: run.definitionVersion, digest: { sha256: run.definitionDigest } },
      profile: { id: run.profileId, version: run.profileVersion, digest: { sha256: run.profileDigest } },
      references: run.references,
      ...work.facts,
      outcome,
      ...(cause === "" ? {} : { cause }),
      ...(reason === "" ? {} : { reason }),
      eventLog: { name: log.name, count: log.count, head: { sha256: log.head }, digest: { sha256: log.sha256 } },
      startedOn: (run.begunAt ?? run.createdAt).toISOString(),
      finishedOn: at.toISOString(),
      vantage: {
        run: "worker-observed",
        request: "third-party",
        definition: "worker-observed",
        profile: "worker-observed",
        references: "third-party",
        ...work.vantage,
        outcome: "worker-observed",
        ...(cause === "" ? {} : { cause: "worker-observed" }),
        ...(reason === "" ? {} : { reason: toldByPersona.has(cause) ? "agent-reported" : "worker-observed" }),
        eventLog: "worker-observed",
        startedOn: "worker-observed",
        finishedOn: "worker-observed",
      },
    },
  });
}
