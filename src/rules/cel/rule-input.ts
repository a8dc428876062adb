import type { CelInput, CelType, CelValue } from "@bufbuild/cel";
import { celList, celMap, objectType } from "@bufbuild/cel";
import type { JsonValue } from "@bufbuild/protobuf";
import { create, createRegistry, fromJson } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { ReferencesJson } from "../../gen/automation/v1/ref_pb.ts";
import { file_automation_v1_ref, ReferencesSchema } from "../../gen/automation/v1/ref_pb.ts";
import type { RunRequested } from "../../gen/automation/v1/run_requested_pb.ts";
import { file_automation_v1_run_requested, RunRequestedSchema } from "../../gen/automation/v1/run_requested_pb.ts";
import type { Profile, ProfileJson } from "../../gen/governance/v1/profile_pb.ts";
import { file_governance_v1_profile, ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import { file_workflows_runtime_v1_rule_event, RuleEventSchema } from "../../gen/workflows_runtime/v1/rule_event_pb.ts";

/** Messages that an expression may go into. */
export const ruleRegistry = createRegistry(
  file_automation_v1_run_requested,
  file_automation_v1_ref,
  file_governance_v1_profile,
  file_workflows_runtime_v1_rule_event,
);

/** What `request.parameters` is called within a parsed expression. */
export const parametersName = "@parameters";

/** What an expression sees. */
export const ruleVariables = {
  event: objectType(RuleEventSchema),
  request: objectType(RunRequestedSchema),
  profile: objectType(ProfileSchema),
  references: objectType(ReferencesSchema),
} satisfies Record<string, CelType>;

/** The values of the variables, for one event. */
export type RuleInput = Readonly<Record<keyof typeof ruleVariables | typeof parametersName, CelInput>>;

/** The attributes of an event that rules see. */
export interface SeenEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly tenant: string;
  readonly org: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly dataSchema?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
}

/**
 * Makes each value when an expression first asks for it. There is no clock among them: a redelivery must be decided alike.
 * @param of.profile - undefined when nobody has published it: then its fields are empty
 */
export function ruleInputOf(of: {
  readonly event: SeenEvent;
  readonly request: RunRequested;
  readonly profile: ProfileJson | undefined;
  readonly references: ReferencesJson;
}): RuleInput {
  const event = once(() => eventMessage(of.event));
  const references = once(() => fromJson(ReferencesSchema, of.references));
  const parameters = once(() => celValueOf(of.request.parameters ?? {}));
  return {
    request: of.request,
    get event() {
      return event();
    },
    get profile() {
      return of.profile === undefined ? create(ProfileSchema) : profileMessage(of.profile);
    },
    get references() {
      return references();
    },
    get [parametersName]() {
      return parameters();
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function eventMessage({ time, dataSchema, correlationId, causationId, ...named }: SeenEvent) {
  const { id, source, type, tenant, org, subject } = named;
  return create(RuleEventSchema, {
    ...{ id, source, type, tenant, org, subject },
    time: time === undefined ? undefined : fromJson(TimestampSchema, time),
    dataschema: dataSchema,
    correlationid: correlationId,
    causationid: causationId,
  });
}

/** Profiles come from a cache, as the same object for every event. */
const profiles = new WeakMap<ProfileJson, Profile>();

function profileMessage(profile: ProfileJson): Profile {
  const known = profiles.get(profile);
  if (known !== undefined) return known;
  const message = fromJson(ProfileSchema, profile, { ignoreUnknownFields: true });
  profiles.set(profile, message);
  return message;
}

function celValueOf(json: JsonValue): CelValue {
  if (Array.isArray(json)) return celList(json.map(celValueOf));
  if (typeof json !== "object" || json === null) return json;
  return celMap(new Map(Object.entries(json).map(([key, value]) => [key, celValueOf(value)])));
}
