import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Board } from "../../../examples/scrum-service/board.ts";
import { waitUntil } from "../../../local/engines/wait-until.ts";
import type { CallAnswer, HandoffCall, Phase, Receiver } from "../../../src/methodology/methodology.ts";
import { createReceiver } from "../../../src/methodology/receiver.ts";
import { scrum } from "../../../src/methodology/scrum.ts";
import { freePorts } from "./free-ports.ts";

export type MethodName = "AttachIncrementEvidence" | "RecordItemDone" | "RaiseImpediment";

/** What a call differs in from the ordinary one of its method. */
export interface Changes {
  readonly body?: JsonObject;
  readonly meta?: JsonObject;
  /** In the request instead of the phase that is asked for. */
  readonly phase?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export const scrumProgram = join(import.meta.dirname, "../../../examples/scrum-service/main.ts");
export const scrumToken = "a-token-of-the-scrum-service";
export const statementSha256 = "a".repeat(64);

const startLimitMs = 60_000;

/** Starts the example Scrum service as a process of its own, in a temporary folder, with a Kafka that is away until `restart` names one. */
export async function startScrumService() {
  const dir = mkdtempSync(join(tmpdir(), "scrum-service-"));
  const [port = 0, nobody = 0] = await freePorts(2);
  const url = `http://127.0.0.1:${port}`;
  writeFileSync(join(dir, "token"), `${scrumToken}\n`);
  const environment: Record<string, string> = {
    SCRUM_ADDRESS: `127.0.0.1:${port}`,
    SCRUM_STATE_DIR: join(dir, "state"),
    SCRUM_TOKEN_FILE: join(dir, "token"),
    SCRUM_KAFKA_BROKERS: `127.0.0.1:${nobody}`,
    SCRUM_TOPIC: "automation.run.requested",
    SCRUM_SOURCE: "urn:example:scrum",
  };
  const start = async (changes: Record<string, string> = {}, known = environment): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [scrumProgram], { env: { ...known, ...changes }, stdio: "ignore" });
    const isReady = async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200;
    await waitUntil("the Scrum service", isReady, { limitMs: startLimitMs, signal: AbortSignal.timeout(startLimitMs) });
    return child;
  };
  const receiver = scrumAt(url);
  let child = await start();

  /** @returns the exit code; null when it was killed */
  const stop = async (by: "SIGKILL" | "SIGTERM"): Promise<number | null> => {
    const closed = once(child, "close");
    child.kill(by);
    return (await closed)[0];
  };
  const door = (method: string, path: string, body?: JsonObject | string) =>
    fetch(url + path, {
      method,
      body: typeof body === "object" ? JSON.stringify(body) : body,
      headers: { authorization: `Bearer ${scrumToken}` },
    });
  return {
    url,
    tokenFile: join(dir, "token"),
    environment,
    door,
    stop,
    restart: async (changes?: Record<string, string>, known?: Record<string, string>) => {
      child = await start(changes, known);
    },
    board: async () => (await (await door("GET", "/board")).json()) as Board,
    tell: (behaviour: JsonObject) => door("POST", "/behaviour", behaviour),
    send: (method: MethodName, phase: Phase, key: string, changes: Changes = {}): Promise<CallAnswer> => {
      const { timeoutMs = 10_000, signal = new AbortController().signal } = changes;
      return receiver.send(scrumCall(method, phase, key, changes), { timeoutMs, signal });
    },
    /** Ends the process and removes its folder. */
    end: async () => {
      if (child.exitCode === null && child.signalCode === null) await stop("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A client of the Scrum service at an endpoint. */
export const scrumAt = (endpoint: string, change: { tryTimeoutMs?: number; readToken?: () => string } = {}): Receiver =>
  createReceiver({
    methodology: scrum,
    protocol: "connect",
    endpoint,
    tryTimeoutMs: 10_000,
    readToken: () => scrumToken,
    ...change,
  });

export type RunningScrumService = Awaited<ReturnType<typeof startScrumService>>;

/** A call about run `run-1` of tenant `acme`, good in every field but those that are changed. */
export function scrumCall(rpc: MethodName, phase: Phase, key: string, changes: Changes = {}): HandoffCall {
  const ordinary: Record<MethodName, JsonObject> = {
    AttachIncrementEvidence: { product: "webshop", sprint: "S-7", goals: ["G-1"] },
    RecordItemDone: { product: "webshop", sprint: "S-7", backlogItems: ["PBI-42"], definitionOfDone: "team-dod" },
    RaiseImpediment: {
      product: "webshop",
      sprint: "S-7",
      backlogItems: ["PBI-42"],
      cause: "verdict_failed",
      occurrences: 1,
      impedimentId: "our-0",
      summary: "no test result",
      lines: [{ requirementId: "tests-passed", state: "LINE_STATE_MISSING", remedy: "add a test step" }],
    },
  };
  const verdict = { passed: true, level: "SCRUM_DEFINITION_OF_DONE" };
  return {
    rpc,
    phase: (changes.phase ?? phase) as Phase,
    payload: { ...ordinary[rpc], ...changes.body },
    meta: {
      idempotencyKey: key,
      runId: "run-1",
      tenant: "acme",
      org: "retail",
      vsa: { attestationId: "a-2", statementSha256, verdict },
      evidence: [{ attestationId: "a-1", kind: "agent-run", checksum: statementSha256, statementSha256 }],
      ...changes.meta,
    },
  };
}
