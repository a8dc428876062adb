import { createHash } from "node:crypto";
import { addAbortSignal, Readable } from "node:stream";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { ObjectStore } from "../../artifacts/object-store.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3Options {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Asked for each request. */
  readonly credentials: () => S3Credentials;
}

export interface S3 extends ObjectStore {
  /** Makes the bucket unless it is there and ours. */
  ensureBucket(signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** The store does not answer, or answers with a temporary error. The same call may succeed later. */
class ObjectStoreAwayError extends Error {
  override readonly name = "ObjectStoreAwayError";
  readonly code = "object_store_away";
  constructor(what: string, options?: ErrorOptions) {
    super(`the object store ${what}`, options);
  }
}

/** Time limit of one call, its second try included. */
const callLimitMs = 5_000;
/** Time limit of reading or sending a whole object: 256 MiB at 4 MiB a second. */
const readLimitMs = 64_000;

/** An S3 bucket, at AWS or any server that honours checksums and conditional writes. */
export function createS3({ endpoint, region, bucket, credentials }: S3Options): S3 {
  const client = new S3Client({
    endpoint,
    region,
    credentials: async () => ({ ...credentials(), expiration: new Date(0) }), // or the client would keep the first ones
    forcePathStyle: true,
    // servers that don't know the SDK's own checksums store their framing as content; we send ours as a header
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 4_000, throwOnRequestTimeout: true },
  });
  const bounded = (signal: AbortSignal | undefined, limitMs = callLimitMs) => {
    const limit = AbortSignal.timeout(limitMs);
    return { abortSignal: signal === undefined ? limit : AbortSignal.any([signal, limit]) };
  };
  const open = async (key: string, signal: AbortSignal | undefined) => {
    try {
      const get = new GetObjectCommand({ Bucket: bucket, Key: key });
      const limit = bounded(signal, readLimitMs);
      const { Body, ContentLength = 0 } = await client.send(get, limit);
      if (Body === undefined) return undefined;
      return { body: addAbortSignal(limit.abortSignal, Body as Readable), sizeBytes: ContentLength };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw awayOf(error, signal) ?? error;
    }
  };
  return {
    async putOnce(key, body, { sha256, contentType }, signal) {
      const put = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ...("read" in body
          ? { Body: Readable.from(body.read()), ContentLength: body.sizeBytes }
          : { Body: body, ContentLength: body.byteLength }),
        ContentType: contentType,
        ChecksumSHA256: base64Of(sha256),
        IfNoneMatch: "*",
      });
      try {
        await client.send(put, bounded(signal, "read" in body ? readLimitMs : callLimitMs));
        return "stored";
      } catch (error) {
        if (statusOf(error) === 412) return "present";
        throw awayOf(error, signal) ?? error;
      }
    },

    async digestOf(key, signal) {
      const found = await open(key, signal);
      if (found === undefined) return undefined;
      const hash = createHash("sha256");
      let sizeBytes = 0;
      for await (const chunk of found.body) {
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
      }
      return { sha256: hash.digest("hex"), sizeBytes };
    },

    async read(key, maxBytes, signal) {
      const found = await open(key, signal);
      if (found === undefined) return undefined;
      if (found.sizeBytes > maxBytes) {
        found.body.destroy();
        return undefined;
      }
      return Buffer.concat(await found.body.toArray());
    },

    async list(prefix, after, signal) {
      const list = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, StartAfter: after });
      const { Contents = [] } = await sent(client.send(list, bounded(signal)), signal);
      return Contents.map(({ Key = "", Size = 0, LastModified = new Date() }) => ({
        ...{ key: Key, sizeBytes: Size, storedAt: LastModified },
      }));
    },

    async refresh(key, signal) {
      const source = { Bucket: bucket, Key: key };
      const { ContentType } = await sent(client.send(new HeadObjectCommand(source), bounded(signal)), signal);
      // not every server makes a copy onto itself younger, so the time stands in its metadata
      const copy = new CopyObjectCommand({
        ...source,
        CopySource: `${bucket}/${key}`,
        MetadataDirective: "REPLACE",
        Metadata: { [refreshedAt]: new Date().toISOString() },
        ContentType,
      });
      await sent(client.send(copy, bounded(signal, readLimitMs)), signal);
    },

    async removeStoredBefore(key, time, signal) {
      const object = { Bucket: bucket, Key: key };
      try {
        const found = await client.send(new HeadObjectCommand(object), bounded(signal));
        const { LastModified = new Date(), Metadata = {} } = found;
        if (LastModified >= time || Date.parse(Metadata[refreshedAt] ?? "") >= time.getTime()) return false;
        await client.send(new DeleteObjectCommand(object), bounded(signal));
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return true;
        throw awayOf(error, signal) ?? error;
      }
    },

    async grantPut(key, { sha256, sizeBytes, contentType, expiresSeconds }) {
      const put = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ContentLength: sizeBytes,
        ContentType: contentType,
        ChecksumSHA256: base64Of(sha256),
        IfNoneMatch: "*",
      });
      const headers = { "content-type": contentType, "if-none-match": "*", [checksumHeader]: base64Of(sha256) };
      const url = await getSignedUrl(client, put, {
        expiresIn: expiresSeconds,
        unhoistableHeaders: new Set([checksumHeader]), // in the query, servers would not compare it with the body
        signableHeaders: new Set(["host", "content-length", ...Object.keys(headers)]),
      });
      return { url, headers };
    },

    urlFor(key, { fileName, expiresSeconds }) {
      const get = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ResponseContentDisposition: `attachment; filename="${fileName.replaceAll(/[^\w.-]/g, "_")}"`,
      });
      return getSignedUrl(client, get, { expiresIn: expiresSeconds });
    },

    async ensureBucket(signal) {
      const create = new CreateBucketCommand({
        Bucket: bucket,
        // AWS refuses us-east-1 as a location constraint, and demands one for every other region
        ...(region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint: region as "eu-west-1" } }),
      });
      try {
        await client.send(create, bounded(signal));
      } catch (error) {
        if (!(error instanceof S3ServiceException && error.name === "BucketAlreadyOwnedByYou")) throw error;
      }
    },

    close: () => client.destroy(),
  };
}

/** @throws ObjectStoreAwayError, or what the store says for good */
async function sent<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw awayOf(error, signal) ?? error;
  }
}

const refreshedAt = "refreshed-at";
const checksumHeader = "x-amz-checksum-sha256";

/** @param sha256 - lower-case hex @returns as S3 writes it */
const base64Of = (sha256: string): string => Buffer.from(sha256, "hex").toString("base64");

/** @returns the error when a repetition may succeed; undefined for a final answer, and when the caller aborted */
function awayOf(error: unknown, signal: AbortSignal | undefined): ObjectStoreAwayError | undefined {
  if (signal?.aborted) return undefined;
  if (!(error instanceof S3ServiceException)) return new ObjectStoreAwayError("does not answer", { cause: error });
  const status = statusOf(error) ?? 0;
  const isPassing = status >= 500 || status === 408 || status === 429;
  return isPassing ? new ObjectStoreAwayError(`answers ${status}`, { cause: error }) : undefined;
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
