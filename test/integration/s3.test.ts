import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AlteredObjectError, assertBlob, keepBlob, objectKeyOf, sha256Hex } from "../../src/artifacts/blobs.ts";
import type { S3 } from "../../src/s3/s3.ts";
import { createS3 } from "../../src/s3/s3.ts";
import type { TestEngines } from "../support/engines.ts";
import { startEngines } from "../support/engines.ts";

let engines: TestEngines;
let s3: S3;

beforeAll(async () => {
  engines = await startEngines({ s3: true });
  s3 = createS3({ ...engines.s3, bucket: "blobs" });
  await s3.ensureBucket();
});

afterAll(async () => {
  s3?.close();
  await engines?.stop();
});

describe("the store of blobs", () => {
  it("makes its bucket once and finds it again", async () => {
    await s3.ensureBucket();
    expect(await s3.reachable()).toBe(true);
    const elsewhere = createS3({ ...engines.s3, bucket: "missing" });
    expect(await elsewhere.reachable()).toBe(false);
    elsewhere.close();
  });

  it("keeps a blob under its digest, however often it is stored", async () => {
    const bytes = randomBytes(70_000);
    const digest = await keepBlob(s3, "acme", bytes, "application/octet-stream");
    expect(digest).toEqual({ sha256: sha256Hex(bytes), sizeBytes: 70_000 });
    await Promise.all([1, 2, 3].map(() => keepBlob(s3, "acme", bytes, "application/octet-stream")));
    expect(await s3.digestOf(objectKeyOf("acme", digest.sha256))).toEqual(digest);
  });

  it("refuses bytes that do not have the digest they claim", async () => {
    const key = objectKeyOf("acme", sha256Hex("claimed"));
    const meta = { sha256: sha256Hex("claimed"), contentType: "text/plain" };
    await expect(s3.putOnce(key, Buffer.from("sent"), meta)).rejects.toThrow();
    expect(await s3.digestOf(key)).toBeUndefined();
  });

  it("never overwrites, and notices an object that is not the one its key names", async () => {
    const expected = sha256Hex("original");
    const key = objectKeyOf("acme", expected);
    const forged = Buffer.from("forged!!");
    await s3.putOnce(key, forged, { sha256: sha256Hex(forged), contentType: "text/plain" });
    await expect(keepBlob(s3, "acme", Buffer.from("original"), "text/plain")).rejects.toThrow(AlteredObjectError);
    await expect(assertBlob(s3, "acme", expected)).rejects.toThrow(/has sha256 .* but .* is recorded/);
    await expect(assertBlob(s3, "acme", sha256Hex("gone"))).rejects.toThrow(/is not there/);
  });

  it("hands out a URL that downloads the bytes under their name, without credentials", async () => {
    const { sha256 } = await keepBlob(s3, "acme", Buffer.from("log"), "application/x-ndjson");
    const url = await s3.urlFor(objectKeyOf("acme", sha256), { fileName: 'ev"il\n.ndjson', expiresSeconds: 300 });
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, "log"]);
    expect(answer.headers.get("content-disposition")).toBe('attachment; filename="ev_il_.ndjson"');
    expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("300");
    const altered = url.replace(sha256, sha256Hex("other"));
    expect((await fetch(altered)).status).toBe(403);
  });
});
