import type { API, Callback, Connection, fetchV17, Reader, RecordsBatch, ResponseParser } from "@platformatic/kafka";
import { Consumer, kGetApi, ResponseError, UnsupportedApiError } from "@platformatic/kafka";
import { batchLength, readBatch } from "./read-batch.ts";

/** From here on a read names topics by their id, in the one form that is read here (Fetch versions 13 to 17, Kafka 3.1 and newer). */
const oldestFetch = 13;
/** Once a partition has so many bytes unpacked, the rest of its answer is left to the next read. */
const enoughBytes = 1024 * 1024;

/**
 * A consumer that unpacks within bounds. The client's own takes whatever a batch unpacks to into memory, in one piece, and an error
 * ends the read of every partition; so the answers to its reads are parsed here, with `readBatch`.
 */
export class BoundedConsumer extends Consumer<Buffer, Buffer, Buffer | null, Buffer | null> {
  override [kGetApi]<Request extends unknown[], Response>(
    name: string,
    callback: Callback<API<Request, Response>>,
  ): void {
    super[kGetApi]<Request, Response>(name, (error, api) => {
      if (name !== "Fetch" || api === undefined) callback(error, api);
      else if (api.version < oldestFetch) callback(new UnsupportedApiError("Kafka must be 3.1 or newer"));
      else callback(null, withParser(api, readFetchResponse as ResponseParser<Response>));
    });
  }
}

type FetchResponse = fetchV17.FetchResponse;

/** The same call; only its answer is parsed by another function. */
function withParser<Request extends unknown[], Response>(
  api: API<Request, Response>,
  parse: ResponseParser<Response>,
): API<Request, Response> {
  return new Proxy(api, {
    apply: (call, self, [connection, ...rest]: [Connection, ...unknown[]]) => {
      const send: Connection["send"] = (key, version, create, _parse, ...more) =>
        connection.send(key, version, create, parse as ResponseParser<never>, ...more);
      return Reflect.apply(call, self, [{ send }, ...rest]);
    },
  });
}

/** Fetch response of the Kafka protocol, without the tagged fields that the client does not use. */
function readFetchResponse(_correlationId: number, apiKey: number, apiVersion: number, reader: Reader): FetchResponse {
  const errors: Record<string, [number, null]> = {};
  const throttleTimeMs = reader.readInt32();
  const errorCode = reader.readInt16();
  if (errorCode !== 0) errors[""] = [errorCode, null];
  const sessionId = reader.readInt32();
  const responses = reader.readArray((topic, index) => ({
    topicId: topic.readUUID(),
    partitions: topic.readArray((partition, place) => {
      const read = readPartition(partition);
      if (read.errorCode !== 0) errors[`/responses/${index}/partitions/${place}`] = [read.errorCode, null];
      return read;
    }),
  }));
  const response = { throttleTimeMs, errorCode, sessionId, responses };
  if (Object.keys(errors).length > 0) throw new ResponseError(apiKey, apiVersion, errors, response);
  return response;
}

function readPartition(reader: Reader): FetchResponse["responses"][number]["partitions"][number] {
  return {
    partitionIndex: reader.readInt32(),
    errorCode: reader.readInt16(),
    highWatermark: reader.readInt64(),
    lastStableOffset: reader.readInt64(),
    logStartOffset: reader.readInt64(),
    abortedTransactions: reader.readNullableArray((each) => ({
      producerId: each.readInt64(),
      firstOffset: each.readInt64(),
    })),
    preferredReadReplica: reader.readInt32(),
    records: readRecords(reader),
  };
}

function readRecords(reader: Reader): RecordsBatch[] | null {
  const bytes = reader.readNullableBytes();
  return bytes === null ? null : readBatches(bytes);
}

function readBatches(bytes: Buffer): RecordsBatch[] {
  const batches: RecordsBatch[] = [];
  let rest = bytes;
  for (let total = 0; total < enoughBytes; ) {
    const length = batchLength(rest);
    if (length === undefined) break; // cut off: a read has a limit of bytes, too
    const { batch, sizeBytes } = readBatch(rest.subarray(0, length));
    batches.push(batch);
    total += sizeBytes;
    rest = rest.subarray(length);
  }
  return batches;
}
