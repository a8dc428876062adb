import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { Header } from "../runs/outbox/bus-record.ts";
import { elementsOf } from "../text/json-array.ts";
import { contentModeOf, typeOfElement } from "./content-type.ts";
import type { Delivery } from "./delivery.ts";
import { splitProtobufBatch } from "./protobuf-event.ts";

/** Largest batch. */
const batchLimit = { bytes: 1024 * 1024, events: 500 };

/**
 * The events of a batch (CloudEvents JSON format 1.0, section 4, and protobuf format 1.0, section 5), each as a delivery of its own in structured mode, with the bytes that stand in the batch: so each gets its own disposition,
 * and a bad one is quarantined without its neighbours. Their positions are `<position of the batch>#<index>`, from 0, so that a batch that comes again repeats nothing.
 * @returns the delivery as it is, when it is no batch or one that can't be taken apart
 */
export function eventsOf(delivery: Delivery): readonly Delivery[] {
  const mode = modeOf(delivery.headers);
  if (delivery.unreadable !== undefined || (mode !== "batch" && mode !== "protobuf batch")) return [delivery];
  const batch = splitBatch(delivery.body, mode);
  if ("cause" in batch) return [delivery];
  const headers: Header[] = [["content-type", Buffer.from(typeOfElement[mode])]];
  return batch.events.map((body, index) => ({ ...delivery, position: `${delivery.position}#${index}`, headers, body }));
}

/** @returns undefined when the content type is given twice: the event is refused for that */
function modeOf(headers: readonly Header[]): ReturnType<typeof contentModeOf> | undefined {
  const types = new Set(
    headers.filter(([name]) => name.toLowerCase() === "content-type").map(([, value]) => Buffer.from(value).toString()),
  );
  const [type = "", another] = types;
  return another === undefined ? contentModeOf(type) : undefined;
}

/** @returns the bytes of each event, or why there are none */
export function splitBatch(
  body: Uint8Array | null,
  format: keyof typeof typeOfElement,
): { readonly events: readonly Uint8Array[] } | { readonly cause: string; readonly reasons: readonly Reason[] } {
  const what = format === "batch" ? "a JSON array of CloudEvents" : "a protobuf CloudEventBatch";
  const remedy = `send ${what}, or each event as a record of its own`;
  const refused = (cause: string, value: string, rule: string, how = remedy) => ({
    cause,
    reasons: [reason(cause, "value", value, rule, how)],
  });
  if (body === null || body.length === 0) return refused("empty", "", "the record must have a value");
  if (body.length > batchLimit.bytes)
    return refused(
      "too_large",
      `${body.length} bytes`,
      `a batch must have at most ${batchLimit.bytes} bytes`,
      "send smaller batches",
    );
  let events: readonly Uint8Array[] | undefined;
  try {
    events = format === "batch" ? jsonElements(body) : splitProtobufBatch(body);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return format === "batch"
      ? refused("not_json", new TextDecoder().decode(body.subarray(0, 80)), `must be UTF-8 JSON: ${why}`)
      : refused("not_protobuf", Buffer.from(body.subarray(0, 60)).toString("base64"), `must be ${what}: ${why}`);
  }
  if (events === undefined)
    return refused("not_a_batch", new TextDecoder().decode(body).slice(0, 80), "a batch is a JSON array");
  if (events.length === 0) return refused("empty", "no event", "a batch must have an event");
  if (events.length > batchLimit.events)
    return refused(
      "too_large",
      `${events.length} events`,
      `a batch must have at most ${batchLimit.events} events`,
      "send smaller batches",
    );
  return { events };
}

/** @returns undefined when it is no array @throws SyntaxError, RangeError, TypeError */
const jsonElements = (body: Uint8Array): readonly Uint8Array[] | undefined =>
  elementsOf(new TextDecoder("utf-8", { fatal: true }).decode(body))?.map((element) => Buffer.from(element));
