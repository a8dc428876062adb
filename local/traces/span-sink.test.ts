import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePorts } from "../../test/support/engines/free-ports.ts";
import { startSpanSink } from "./span-sink.ts";

const folder = mkdtempSync(join(tmpdir(), "automation-spans-"));
let url = "";
let sink: Awaited<ReturnType<typeof startSpanSink>>;

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  sink = await startSpanSink("127.0.0.1", port, join(folder, "traces"));
  url = `http://127.0.0.1:${port}/v1/traces`;
});
afterAll(async () => {
  await sink?.close();
  rmSync(folder, { recursive: true, force: true });
});

const send = async (body: string) => (await fetch(url, { method: "POST", body })).status;
const request = (traceId: string) => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: "service.name", value: { stringValue: "automation-api" } }] },
      scopeSpans: [
        {
          spans: [
            {
              traceId,
              spanId: "b7ad6b7169203331",
              name: "accept",
              startTimeUnixNano: "1544712660000000000",
              endTimeUnixNano: "1544712661000000000",
              attributes: [{ key: "automation.attempt", value: { intValue: 2 } }],
              status: { code: 2, message: "broken" },
            },
          ],
        },
      ],
    },
  ],
});

it("keeps a span a line, in the file of its trace", async () => {
  const traceId = "5b8efff798038103d269b633813fc60c";
  expect(await send(JSON.stringify(request(traceId)))).toBe(200);
  expect(JSON.parse(readFileSync(join(folder, "traces", `${traceId}.jsonl`), "utf8"))).toEqual({
    traceId,
    spanId: "b7ad6b7169203331",
    parentSpanId: "",
    name: "accept",
    service: "automation-api",
    start: "1544712660000000000",
    end: "1544712661000000000",
    error: "broken",
    attributes: { "automation.attempt": 2 },
  });
});

it.each(["no json", "[1]", JSON.stringify(request("../../etc/passwd")), `"${"x".repeat(9 * 1024 ** 2)}"`])(
  "writes nothing for what is no export: %.30s",
  async (body) => {
    const before = readdirSync(join(folder, "traces"));
    await send(body).catch(() => undefined);
    expect(readdirSync(join(folder, "traces"))).toEqual(before);
    expect(readdirSync(folder)).toEqual(["traces"]);
  },
);
