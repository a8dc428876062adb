import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { RunRequestedJson } from "../../src/gen/automation/v1/run_requested_pb.ts";
import type { Bus, Position } from "./publish.ts";
import { publish } from "./publish.ts";

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
  readonly position: Position;
}

/** The bus did not acknowledge a request. It may have been written. */
export class BusAwayError extends Error {
  override readonly name = "BusAwayError";
  readonly code = "unavailable";
  readonly eventId: string;
  constructor(bus: Bus, eventId: string, options: { cause: unknown }) {
    const why = options.cause instanceof Error ? options.cause.message : String(options.cause);
    super(`${bus.name} did not take the request: ${why}; ask again with "eventId": "${eventId}"`, options);
    this.eventId = eventId;
  }
}

/**
 * Publishes `automation.run.requested` as a CloudEvent in binary mode, keyed by backlog item.
 * @throws BusAwayError
 */
export function createRequestRun(deps: {
  readonly bus: Bus;
  readonly source: string;
  readonly now: () => Date;
}): (request: RunRequest) => Promise<Published> {
  const { bus, source, now } = deps;
  return async (request) => {
    const { eventId = randomUUID(), backlogItem, tenant, org } = request;
    const attributes = {
      specversion: "1.0",
      id: eventId,
      source,
      type: "automation.run.requested.v1",
      time: now().toISOString(),
      subject: backlogItem,
      tenantid: tenant,
      orgid: org,
    };
    const body = JSON.stringify(toRunRequested(request));
    try {
      return { eventId, position: await publish(bus, { key: backlogItem, attributes, body }) };
    } catch (cause) {
      throw new BusAwayError(bus, eventId, { cause });
    }
  };
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
