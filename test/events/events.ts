import type { DescMessage } from "@bufbuild/protobuf";
import {
  RunConflictSchema,
  RunEventSchema,
  RunQuarantinedSchema,
  RunRejectedSchema,
} from "../../src/gen/automation/v1/run_event_pb.ts";
import { RunRequestedSchema } from "../../src/gen/automation/v1/run_requested_pb.ts";
import { governanceTopic, requestTopic, runEventTopic } from "../../src/runs/outbox/topics.ts";

/** An event that crosses the bus. */
export interface BusEvent {
  readonly type: string;
  readonly topic: string;
  readonly message: DescMessage;
  /** Of its JSON Schema. */
  readonly schemaId: string;
  /** Whether fields that the schema does not have are refused. Those who read our events ignore them. */
  readonly isClosed: boolean;
}

const idOf = (name: string) => `urn:automation:schema:${name}:1.0`;

export const events: readonly BusEvent[] = [
  {
    type: "automation.run.requested.v1",
    topic: requestTopic,
    message: RunRequestedSchema,
    schemaId: idOf("run-requested"),
    isClosed: true,
  },
  {
    type: "automation.run.event.v1",
    topic: runEventTopic,
    message: RunEventSchema,
    schemaId: idOf("run-event"),
    isClosed: false,
  },
  {
    type: "automation.run.rejected.v1",
    topic: governanceTopic,
    message: RunRejectedSchema,
    schemaId: idOf("run-rejected"),
    isClosed: false,
  },
  {
    type: "automation.run.conflict.v1",
    topic: governanceTopic,
    message: RunConflictSchema,
    schemaId: idOf("run-conflict"),
    isClosed: false,
  },
  {
    type: "automation.run.quarantined.v1",
    topic: governanceTopic,
    message: RunQuarantinedSchema,
    schemaId: idOf("run-quarantined"),
    isClosed: false,
  },
];
