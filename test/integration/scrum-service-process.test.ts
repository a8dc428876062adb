import { spawn } from "node:child_process";
import { once } from "node:events";
import type { JsonObject } from "@bufbuild/protobuf";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Published } from "../../examples/scrum-service/request-run.ts";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { ensureStreams } from "../../src/drivers/nats/ensure-streams.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import type { RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { scrumProgram, scrumToken, startScrumService } from "../support/engines/scrum-service-process.ts";
import { readTopic } from "../support/probes/invariants.ts";

const topic = "automation.run.requested";

let service: RunningScrumService;

beforeAll(async () => {
  service = await startScrumService();
});
afterAll(() => service?.end());

describe("the doors of the Scrum service", () => {
  it("are shut without its token, but for those of health", async () => {
    for (const presented of ["", "Bearer", "Bearer wrong", `Basic ${scrumToken}`, `Bearer ${scrumToken}x`]) {
      const answer = await fetch(`${service.url}/board`, { headers: { authorization: presented } });
      expect([presented, answer.status]).toEqual([presented, 401]);
      expect(await answer.json()).toMatchObject({ code: "unauthenticated" });
    }
    for (const path of ["/healthz", "/readyz"]) expect((await fetch(service.url + path)).status).toBe(200);
  });

  it.each([
    ["/request-run", "{", "body", "must be JSON"],
    ["/request-run", "[]", "body", "expected object"],
    ["/request-run", "{}", "tenant", "expected string"],
    ["/request-run", asking({ tenant: "Acme Inc" }), "tenant", "must match"],
    ["/request-run", asking({ backlogItem: " " }), "backlogItem", "must not be empty"],
    ["/request-run", asking({ sprnt: "S-7" }), "sprnt", "nrecognized key"],
    ["/request-run", asking({ goal: "x".repeat(70_000) }), "body", "at most 65536 bytes"],
    ["/behaviour", '{"action": "delay", "delayMs": -1}', "delayMs", ">=1"],
  ])("%s names the field of a bad body, its rule and what to send", async (path, body, field, rule) => {
    const answer = await service.door("POST", path, body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      code: "invalid_argument",
      field,
      rule: expect.stringContaining(rule),
      remedy: expect.stringContaining("send"),
    });
  });

  it("answer in words when there is no such door, or no such way through it", async () => {
    expect((await service.door("GET", "/nowhere")).status).toBe(404);
    expect((await service.door("GET", "//")).status).toBe(404);
    expect((await service.door("PUT", "/board")).status).toBe(405);
  });

  it("say that a request could not be published while Kafka is away, and under which id to ask again", async () => {
    const answer = await service.door("POST", "/request-run", asking({ eventId: "evt-away" }));
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({
      code: "unavailable",
      eventId: "evt-away",
      message: expect.stringContaining('ask again with "eventId": "evt-away"'),
    });
  });
});

describe("the process of the Scrum service", () => {
  it("still holds all it answered for after it was killed", async () => {
    const [tried, confirmed] = ["tried", "confirmed"];
    await service.send("AttachIncrementEvidence", "TRY", tried);
    await service.send("AttachIncrementEvidence", "TRY", confirmed);
    await service.send("AttachIncrementEvidence", "CONFIRM", confirmed);
    const before = await service.board();
    await service.stop("SIGKILL");
    await service.restart();
    expect(await service.board()).toEqual(before);
    expect(await service.send("AttachIncrementEvidence", "CONFIRM", tried)).toMatchObject({ state: "ACKNOWLEDGED" });
  });

  it("ends by itself when it is told to, in the middle of a call too", async () => {
    await service.tell({ action: "delay", delayMs: 60_000, calls: 1 });
    const pending = service.send("RecordItemDone", "TRY", "in-flight", { timeoutMs: 30_000 });
    const told = async () => (await service.door("GET", "/behaviour")).json();
    await expect.poll(told).toEqual({ behaviours: [] });
    expect(await service.stop("SIGTERM")).toBe(0);
    expect(await pending).toMatchObject({ state: "UNANSWERED" });
    await service.restart();
  });

  it("does not start with a setting missing or malformed, and names each", async () => {
    const child = spawn(process.execPath, [scrumProgram], {
      env: { ...service.environment, SCRUM_ADDRESS: "8091", SCRUM_SOURCE: "" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    expect((await once(child, "close"))[0]).toBe(1);
    expect(said).toMatch(/SCRUM_ADDRESS: must be HOST:PORT.*SCRUM_SOURCE: must not be empty/);
    expect(said).not.toContain("    at ");
  });
});

describe("a request that the Scrum service publishes", () => {
  let engines: TestEngines;
  beforeAll(async () => {
    engines = await startEngines({ kafka: true, nats: true });
    await service.stop("SIGTERM");
    await service.restart({ SCRUM_KAFKA_BROKERS: engines.kafka.brokers.join(",") });
  });
  afterAll(() => engines.stop());

  it("is on Kafka as a binary CloudEvent once the bus takes it, at the position it answers", async () => {
    expect((await service.door("POST", "/request-run", asking({}))).status).toBe(503);
    await ensureTopics(engines.kafka.brokers, [{ topic, partitions: 3 }], 1);

    const asked = asking({
      product: "webshop",
      sprint: "S-7",
      goals: ["G-1"],
      goal: "Pay by invoice",
      eventId: "evt-1",
    });
    const answer = (await (await service.door("POST", "/request-run", asked)).json()) as Published;
    expect(answer).toMatchObject({ eventId: "evt-1", position: { topic, offset: "0" } });

    const [received] = await readTopic(engines.kafka, topic, AbortSignal.timeout(20_000));
    expect(answer.position).toMatchObject({ partition: received?.partition });
    expect(received?.key).toBe("PBI-42");
    expect(received?.headers).toMatchObject({
      ce_specversion: "1.0",
      ce_id: "evt-1",
      ce_source: "urn:example:scrum",
      ce_type: "automation.run.requested.v1",
      ce_tenantid: "acme",
      ce_orgid: "retail",
      "content-type": "application/json",
    });
    expect(JSON.parse(received?.value ?? "")).toMatchObject({
      profile: { id: "scrum-team" },
      context: { scrum: { product: "webshop", sprint: "S-7", goals: ["G-1"], backlogItems: ["PBI-42"] } },
      workKind: "story",
      goal: "Pay by invoice",
    });
  });

  it("is on NATS with the same attributes and data, under the stream and sequence it answers", async () => {
    const { servers } = engines.nats;
    await service.stop("SIGTERM");
    const { SCRUM_KAFKA_BROKERS: _, ...environment } = service.environment;
    await service.restart({ SCRUM_NATS_SERVERS: servers.join(",") }, environment);
    const asked = asking({ eventId: "evt-2", backlogItem: "PBI ü%" });
    const away = await service.door("POST", "/request-run", asked);
    expect(away.status).toBe(503);
    expect(await away.json()).toMatchObject({ message: expect.stringMatching(/NATS did not take.*"evt-2"/) });
    await ensureStreams({ servers, clientId: "test" }, [topic], 1);

    const answer = (await (await service.door("POST", "/request-run", asked)).json()) as Published;
    const stream = topic.replaceAll(".", "-");
    expect(answer).toEqual({ eventId: "evt-2", position: { topic, stream, sequence: 1 } });
    const connection = await connect({ servers });
    const message = await (await jetstreamManager(connection)).streams.getMessage(stream, { seq: 1 });
    await connection.close();
    const of = (header: string) => message?.header?.get(header);
    expect([of("ce-id"), of("ce-subject"), of("ce-partitionkey")]).toEqual([
      "evt-2",
      "PBI%20%C3%BC%25",
      "PBI%20%C3%BC%25",
    ]);
    expect(message?.json()).toMatchObject({ context: { scrum: { backlogItems: ["PBI ü%"] } }, workKind: "story" });
  });
});

function asking(fields: JsonObject): string {
  return JSON.stringify({ tenant: "acme", org: "retail", profile: "scrum-team", backlogItem: "PBI-42", ...fields });
}
