import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, expect, it } from "vitest";
import type { RunApi } from "./run-api.ts";
import { UploadRefusedError, uploadWork } from "./upload-work.ts";

const execution = { runId: "r", generation: 1, firstExecutionRunId: "e" };
const file = { name: "a.txt", kind: "log", mediaType: "text/plain", bytes: Buffer.from("kept") };
let server: Server | undefined;
afterEach(() => {
  server?.close();
});

/** A store that gives these answers in turn, and an api that grants uploads to it. */
async function world(answers: readonly number[], apiAnswers: readonly Code[] = []) {
  const left = [...answers];
  const apiLeft = [...apiAnswers];
  const stored: string[] = [];
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const status = left.shift() ?? 200;
    if (status === 200) stored.push(body);
    if (status === 0) request.socket.destroy();
    else response.writeHead(status).end("no");
  });
  await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const granted: string[] = [];
  const runWorker = {
    createArtifactUploads: async ({ uploads }: { uploads: { sha256: string }[] }) => {
      granted.push("granted");
      return { grants: uploads.map(({ sha256 }) => ({ sha256, present: false, url, headers: {} })) };
    },
    completeArtifactUploads: async () => {
      const code = apiLeft.shift();
      if (code !== undefined) throw new ConnectError("no", code);
      return {};
    },
  };
  const pauses: string[] = [];
  const upload = (signal = new AbortController().signal) =>
    uploadWork(
      { runWorker } as unknown as RunApi,
      execution,
      { attempt: 1 },
      [file],
      (error, pauseMs) => pauses.push(`${error instanceof Error ? error.message : error} ${pauseMs}`),
      signal,
    );
  return { upload, stored, granted, pauses };
}

it("waits for a store that answers 507, 503 or nothing, with growing pauses and new grants", async () => {
  const { upload, stored, granted, pauses } = await world([507, 503, 0, 507]);
  await upload();
  expect(stored).toEqual(["kept"]);
  expect(granted).toHaveLength(5);
  expect(pauses).toEqual([
    "the object store answers 507 500",
    "the object store answers 503 1000",
    "the object store does not answer 2000",
    "the object store answers 507 4000",
  ]);
});

it("waits for an api that can't close the work yet", async () => {
  const { upload, pauses } = await world([], [Code.Internal, Code.Unavailable]);
  await upload();
  expect(pauses).toHaveLength(2);
});

it("ends at once when the store refuses the bytes, or the api the report", async () => {
  const refused = await world([403]);
  await expect(refused.upload()).rejects.toThrow(UploadRefusedError);
  expect(refused.granted).toHaveLength(1);
  server?.close();
  const other = await world([], [Code.InvalidArgument]);
  await expect(other.upload()).rejects.toThrow("no");
});

it("ends with the signal while it waits", async () => {
  const { upload } = await world(Array.from({ length: 100 }, () => 507));
  const stop = new AbortController();
  const uploading = upload(stop.signal);
  stop.abort(new Error("asked to end"));
  await expect(uploading).rejects.toThrow("asked to end");
});
