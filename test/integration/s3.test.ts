import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AlteredObjectError, assertBlob, keepBlob, objectKeyOf, sha256Hex } from "../../src/artifacts/blobs.ts";
import type { S3 } from "../../src/drivers/s3/s3.ts";
import { createS3 } from "../../src/drivers/s3/s3.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";

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
    await s3.ensureBucket();
  });

  it("is asked with the credentials of the moment, so that changed ones count at once", async () => {
    let credentials = { accessKeyId: "nobody", secretAccessKey: "not known there" };
    const changing = createS3({ ...engines.s3, bucket: "blobs", credentials: () => credentials });
    await expect(changing.read("absent", 10)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    credentials = engines.s3.credentials();
    expect(await changing.read("absent", 10)).toBeUndefined();
    credentials = { ...credentials, secretAccessKey: "another" };
    await expect(changing.read("absent", 10)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    changing.close();
  });

  it("keeps a blob under its digest, however often it is stored", async () => {
    const bytes = randomBytes(70_000);
    const digest = await keepBlob(s3, scopeOf("acme"), bytes, "application/octet-stream");
    expect(digest).toEqual({ sha256: sha256Hex(bytes), sizeBytes: 70_000 });
    await Promise.all([1, 2, 3].map(() => keepBlob(s3, scopeOf("acme"), bytes, "application/octet-stream")));
    expect(await s3.digestOf(objectKeyOf(scopeOf("acme"), digest.sha256))).toEqual(digest);
  });

  it.each([507, 503, 429])(
    "says of a store that answers %i that it is away, and of one that is not there",
    async (status) => {
      const server = createServer((_, response) => response.writeHead(status).end());
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      const port = (server.address() as AddressInfo).port;
      const away = createS3({ ...engines.s3, endpoint: `http://127.0.0.1:${port}`, bucket: "blobs" });
      const put = () =>
        away.putOnce("key", Buffer.from("sent"), { sha256: sha256Hex("sent"), contentType: "text/plain" });
      await expect(put()).rejects.toMatchObject({
        ...{ code: "object_store_away", message: `the object store answers ${status}` },
      });
      await expect(away.digestOf("key")).rejects.toMatchObject({ code: "object_store_away" });
      await new Promise((done) => server.close(done));
      await expect(put()).rejects.toMatchObject({
        ...{ code: "object_store_away", message: "the object store does not answer" },
      });
      away.close();
    },
  );

  it("refuses bytes that do not have the digest they claim", async () => {
    const key = objectKeyOf(scopeOf("acme"), sha256Hex("claimed"));
    const meta = { sha256: sha256Hex("claimed"), contentType: "text/plain" };
    await expect(s3.putOnce(key, Buffer.from("sent"), meta)).rejects.toThrow();
    expect(await s3.digestOf(key)).toBeUndefined();
  });

  it("never overwrites, and notices an object that is not the one its key names", async () => {
    const expected = sha256Hex("original");
    const key = objectKeyOf(scopeOf("acme"), expected);
    const forged = Buffer.from("forged!!");
    await s3.putOnce(key, forged, { sha256: sha256Hex(forged), contentType: "text/plain" });
    await expect(keepBlob(s3, scopeOf("acme"), Buffer.from("original"), "text/plain")).rejects.toThrow(
      AlteredObjectError,
    );
    await expect(assertBlob(s3, scopeOf("acme"), expected)).rejects.toThrow(/has sha256 .* but .* is recorded/);
    await expect(assertBlob(s3, scopeOf("acme"), sha256Hex("gone"))).rejects.toThrow(/is not there/);
  });

  it("hands out a URL that downloads the bytes under their name, without credentials", async () => {
    const { sha256 } = await keepBlob(s3, scopeOf("acme"), Buffer.from("log"), "application/x-ndjson");
    const url = await s3.urlFor(objectKeyOf(scopeOf("acme"), sha256), {
      fileName: 'ev"il\n.ndjson',
      expiresSeconds: 300,
    });
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, "log"]);
    expect(answer.headers.get("content-disposition")).toBe('attachment; filename="ev_il_.ndjson"');
    expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("300");
    const altered = url.replace(sha256, sha256Hex("other"));
    expect((await fetch(altered)).status).toBe(403);
  });

  it("reads an object whole, and none that is larger than asked for", async () => {
    const bytes = randomBytes(70_000);
    const { sha256 } = await keepBlob(s3, scopeOf("acme"), bytes, "application/octet-stream");
    const key = objectKeyOf(scopeOf("acme"), sha256);
    expect(Buffer.from((await s3.read(key, 70_000)) ?? [])).toEqual(bytes);
    expect(await s3.read(key, 69_999)).toBeUndefined();
    expect(await s3.read(objectKeyOf(scopeOf("acme"), sha256Hex("none")), 10)).toBeUndefined();
  });
});

describe("what is listed and removed", () => {
  it("is listed by key, page by page, with its size", async () => {
    const texts = Array.from({ length: 7 }, (_, n) => `listed ${n}`);
    const keys = texts.map((text) => objectKeyOf(scopeOf("listed"), sha256Hex(text))).toSorted();
    for (const text of texts) await keepBlob(s3, scopeOf("listed"), Buffer.from(text), "text/plain");
    const all = await s3.list("tenants/listed/", undefined);
    expect(all.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual(keys.map((key) => [key, 8]));
    expect((await s3.list("tenants/listed/", keys[4])).map(({ key }) => key)).toEqual(keys.slice(5));
    expect(await s3.list("tenants/nobody/", undefined)).toEqual([]);
  });

  it("is removed unless it is younger, and a refresh makes it so", async () => {
    const text = "removed once";
    const key = objectKeyOf(scopeOf("removed"), sha256Hex(text));
    await keepBlob(s3, scopeOf("removed"), Buffer.from(text), "text/plain");
    const [{ storedAt } = { storedAt: new Date(0) }] = await s3.list("tenants/removed/", undefined);
    expect(await s3.removeStoredBefore(key, storedAt)).toBe(false);
    const later = new Date(Date.now());
    await s3.refresh(key);
    expect(await s3.removeStoredBefore(key, later)).toBe(false);
    const url = await s3.urlFor(key, { fileName: "text", expiresSeconds: 60 });
    const answer = await fetch(url);
    expect([answer.headers.get("content-type"), await answer.text()]).toEqual(["text/plain", text]);
    expect(await s3.removeStoredBefore(key, new Date(Date.now() + 60_000))).toBe(true);
    expect(await s3.digestOf(key)).toBeUndefined();
    expect(await s3.removeStoredBefore(key, new Date())).toBe(true);
  });

  it("does not end in an answer when the store is away", async () => {
    const away = createS3({ ...engines.s3, endpoint: "http://127.0.0.1:1", bucket: "blobs" });
    await expect(away.list("tenants/", undefined)).rejects.toMatchObject({ code: "object_store_away" });
    await expect(away.refresh("key")).rejects.toMatchObject({ code: "object_store_away" });
    await expect(away.removeStoredBefore("key", new Date())).rejects.toMatchObject({ code: "object_store_away" });
    away.close();
  });
});

describe("a grant to store an object", () => {
  const grantFor = async (text: string, change: { sizeBytes?: number; expiresSeconds?: number } = {}) => {
    const what = { sha256: sha256Hex(text), sizeBytes: Buffer.byteLength(text), contentType: "text/plain" };
    const key = objectKeyOf(scopeOf("granted"), what.sha256);
    return { key, ...(await s3.grantPut(key, { ...what, expiresSeconds: 600, ...change })) };
  };
  const send = async (url: string, headers: Record<string, string>, body: string | Blob): Promise<number> =>
    (await fetch(url, { method: "PUT", headers, body })).status;

  it("takes the bytes it was made for, once", async () => {
    const { key, url, headers } = await grantFor("granted");
    expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("600");
    expect(await send(url, headers, "granted")).toBe(200);
    expect(await s3.digestOf(key)).toEqual({ sha256: sha256Hex("granted"), sizeBytes: 7 });
    expect(await send(url, headers, "granted")).toBe(412);
  });

  it("takes an empty object", async () => {
    const { key, url, headers } = await grantFor("");
    expect(await send(url, headers, "")).toBe(200);
    expect(await s3.digestOf(key)).toEqual({ sha256: sha256Hex(""), sizeBytes: 0 });
  });

  it("refuses other bytes, another length, another header, and everything after its time", async () => {
    const { key, url, headers } = await grantFor("one thing");
    const other = await grantFor("1ne thing");
    const longer = await grantFor("one thing more");
    expect(await send(url, headers, "1ne thing")).toBe(400);
    expect(await send(url, headers, "one thing more")).toBe(403);
    expect(await send(url, headers, "one")).toBe(403);
    expect(await send(url, other.headers, "1ne thing")).toBe(403);
    expect(await send(url, longer.headers, "one thing more")).toBe(403);
    expect(await send(url, { ...headers, "content-type": "text/html" }, "one thing")).toBe(403);
    for (const left of Object.keys(headers)) {
      const { [left]: _, ...rest } = headers;
      expect([left, await send(url, rest, new Blob(["one thing"]))]).toEqual([left, 403]);
    }
    expect(await send(url.replace(sha256Hex("one thing"), sha256Hex("other")), headers, "one thing")).toBe(403);
    const late = await grantFor("one thing", { expiresSeconds: 1 });
    const tooShort = { method: "PUT", headers: late.headers, body: "one" };
    await expect.poll(async () => (await fetch(late.url, tooShort)).text(), { timeout: 60_000 }).toContain("expired");
    expect(await send(late.url, late.headers, "one thing")).toBe(403);
    expect(await s3.digestOf(key)).toBeUndefined();
    expect(await send(url, headers, "one thing")).toBe(200);
  });
});
