import { randomUUID } from "node:crypto";
import { compatibilityPartitioner, ProduceAcks, Producer, stringSerializers } from "@platformatic/kafka";
import { z } from "zod";
import type { RunRequestedJson } from "../../src/gen/automation/v1/run_requested_pb.ts";

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must match [a-z0-9][a-z0-9-]{0,62}");
const id = z.string().trim().min(1, "must not be empty").max(200, "must have at most 200 characters");

/** A request for a run on one backlog item, in Scrum's words. */
export const runRequestSchema = z.strictObject({
  tenant: name,
  org: name,
  /** Id of the profile that judges the run. */
  profile: name,
  /** Id of the automation to run; else the profile's binding for the work kind decides. */
  definition: name.optional(),
  backlogItem: id,
  product: id.optional(),
  sprint: id.optional(),
  /** Sprint goals that the item serves. */
  goals: z.array(id).max(100).optional(),
  definitionOfDone: id.optional(),
  increment: id.optional(),
  workKind: id.default("story"),
  /** What the run should achieve. */
  goal: z.string().max(16_384).optional(),
  /** The same id again is the same request. */
  eventId: id.optional(),
});

export const runRequestRemedy =
  'send for example {"tenant": "…", "org": "…", "profile": "…", "product": "…", "sprint": "…", "backlogItem": "…", "goal": "…"}';

export type RunRequest = z.output<typeof runRequestSchema>;

/** Where the request is on the bus. */
export interface Published {
  readonly eventId: string;
  readonly position: { readonly topic: string; readonly partition: number; readonly offset: string };
}

/** Kafka did not acknowledge a request. It may have been written. */
export class BusAwayError extends Error {
  override readonly name = "BusAwayError";
  readonly code = "unavailable";
  readonly eventId: string;
  constructor(eventId: string, options: { cause: unknown }) {
    const why = options.cause instanceof Error ? options.cause.message : String(options.cause);
    super(`Kafka did not take the request: ${why}; ask again with "eventId": "${eventId}"`, options);
    this.eventId = eventId;
  }
}

/** Limits in ms and number of retries; a caller is waiting for the answer. */
const patience = { connectTimeout: 2_000, requestTimeout: 5_000, retries: 2, retryDelay: 200 };

/**
 * Publishes `automation.run.requested` as a CloudEvent in Kafka's binary mode, keyed by backlog item so that requests for one item stay in order.
 * Connects for each request: requests are rare, no connection stays idle between them, and an earlier outage of Kafka has no effect.
 * @throws BusAwayError
 */
export function createRequestRun(deps: {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly source: string;
  readonly now: () => Date;
}): (request: RunRequest) => Promise<Published> {
  const { topic, source, now } = deps;
  return async (request) => {
    const { eventId = randomUUID(), backlogItem } = request;
    const headers = {
      ...cloudEventHeaders(request, { eventId, source, at: now() }),
      "content-type": "application/json",
    };
    const producer = new Producer({
      clientId: "scrum-service",
      bootstrapBrokers: [...deps.brokers],
      acks: ProduceAcks.ALL,
      partitioner: compatibilityPartitioner,
      serializers: stringSerializers,
      ...patience,
    });
    try {
      const value = JSON.stringify(toRunRequested(request));
      const { offsets = [] } = await producer.send({
        acks: ProduceAcks.ALL,
        messages: [{ topic, key: backlogItem, value, headers }],
      });
      const [at] = offsets;
      return { eventId, position: { topic, partition: at?.partition ?? -1, offset: String(at?.offset ?? "") } };
    } catch (cause) {
      throw new BusAwayError(eventId, { cause });
    } finally {
      await producer.close(true).catch(() => undefined); // the answer to the send counts, not the close
    }
  };
}

/** CloudEvents 1.0, Kafka protocol binding, binary mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md */
function cloudEventHeaders(
  { tenant, org, backlogItem }: RunRequest,
  { eventId, source, at }: { eventId: string; source: string; at: Date },
): Record<string, string> {
  const attributes = {
    specversion: "1.0",
    id: eventId,
    source,
    type: "automation.run.requested.v1",
    time: at.toISOString(),
    subject: backlogItem,
    tenantid: tenant,
    orgid: org,
  };
  return Object.fromEntries(Object.entries(attributes).map(([attribute, value]) => [`ce_${attribute}`, value]));
}

function toRunRequested(request: RunRequest): RunRequestedJson {
  const {
    profile,
    definition,
    workKind,
    goal = "",
    backlogItem,
    product = "",
    sprint = "",
    goals = [],
    ...rest
  } = request;
  const { definitionOfDone = "", increment = "" } = rest;
  return {
    ...(definition === undefined ? {} : { definition: { id: definition } }),
    profile: { id: profile },
    context: { scrum: { product, sprint, goals, backlogItems: [backlogItem], increment, definitionOfDone } },
    workKind,
    goal,
  };
}
