import { fromBinary, toJson } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { CloudEvent, CloudEventAttribute } from "../gen/automation/v1/cloudevent_pb.ts";
import { CloudEventSchema } from "../gen/automation/v1/cloudevent_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import type { Attributes } from "./cloudevent-attributes.ts";
import { attributesOfFields } from "./cloudevent-attributes.ts";

/** What a protobuf event says, before any of it is judged. */
export interface ProtobufEvent {
  readonly attributes: Attributes;
  /** Absent when it has none. `kind` is the field that holds it. */
  readonly data?: { readonly kind: "binary_data" | "text_data" | "proto_data"; readonly bytes: Uint8Array };
  /** Why it is no event that can be read here; empty when it is one. */
  readonly faults: readonly Reason[];
}

/** Reads the bytes of an event in the CloudEvents protobuf format 1.0. @throws Error when they are none */
export function readProtobufEvent(bytes: Uint8Array): ProtobufEvent {
  const event = fromBinary(CloudEventSchema, bytes);
  const { id, source, specVersion: specversion, type } = event;
  const own = { id, source, specversion, type };
  const others = Object.entries(event.attributes).map(([name, value]) => [name, attributeValue(value)] as const);
  const repeated = others.filter(([name]) => Object.hasOwn(own, name));
  return {
    attributes: attributesOfFields({ ...Object.fromEntries(others), ...own }),
    ...dataOf(event),
    faults: repeated.map(([name, value]) =>
      reason("invalid_attribute", name, value, "has a field of its own in the protobuf format", "set it there only"),
    ),
  };
}

/** As the JSON format has them; null when no value is set. */
function attributeValue({ value }: CloudEventAttribute): string | number | boolean | null {
  if (value.case === "ceTimestamp") return toJson(TimestampSchema, value.value);
  return value.case === "ceBytes" ? Buffer.from(value.value).toString("base64") : (value.value ?? null);
}

/** A message's type URL names RunRequested, or nothing of its own: the SDK for Go repeats the event's dataschema, or leaves it empty when there is none. */
function dataOf({ attributes, data }: CloudEvent): Pick<ProtobufEvent, "data"> {
  switch (data.case) {
    case undefined:
      return {};
    case "binaryData":
      return { data: { kind: "binary_data", bytes: data.value } };
    case "textData":
      return { data: { kind: "text_data", bytes: Buffer.from(data.value) } };
    case "protoData": {
      const { typeUrl, value } = data.value;
      const unsaid = ["", attributes.dataschema?.value.value];
      if (!unsaid.includes(typeUrl) && typeUrl.split("/").at(-1) !== RunRequestedSchema.typeName)
        throw new Error(`proto_data must be ${RunRequestedSchema.typeName}, not ${typeUrl}`);
      return { data: { kind: "proto_data", bytes: value } };
    }
  }
}

const eventsField = 1;

/** @returns the bytes of each event of a batch in the CloudEvents protobuf batch format 1.0 @throws Error when they are none */
export function splitProtobufBatch(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const events: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === eventsField && wireType === WireType.LengthDelimited) events.push(reader.bytes());
    else reader.skip(wireType, field);
  }
  return events;
}
