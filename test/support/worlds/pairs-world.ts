import { readFileSync, writeFileSync } from "node:fs";
import pg from "pg";
import { declareDemo } from "../../../local/demo/declare.ts";
import { readDemoSettings } from "../../../local/demo/settings.ts";
import { loopback } from "../../../local/engines/engine.ts";
import { mintToken } from "../../../local/issuer/mint-token.ts";
import type { ApiClient } from "../../../src/client/api-client.ts";
import { createApiClient } from "../../../src/client/api-client.ts";
import { freePorts } from "../engines/free-ports.ts";
import type { TcpProxy } from "../engines/tcp-proxy.ts";
import { startTcpProxy } from "../engines/tcp-proxy.ts";
import type { Member, ProcessStack } from "./process-stack.ts";
import { startProcessStack } from "./process-stack.ts";

const engineNames = ["postgres", "kafka", "nats", "temporal", "s3"] as const;
export type EngineName = (typeof engineNames)[number];
const pairNames = ["api", "dispatcher", "relay", "worker"] as const;
export type PairName = (typeof pairNames)[number];
/** The processes of the program that wrote logs. */
export const loggedNames: readonly string[] = [...pairNames, "migrate"];

export interface PairsWorld {
  readonly stack: ProcessStack;
  readonly superuser: pg.Pool;
  readonly api: ApiClient;
  /** Between all processes and each engine, and the methodology. */
  readonly proxies: Readonly<Record<EngineName | "scrum", TcpProxy>>;
  member(name: PairName, which: number): Member;
  environmentOf(name: PairName): Record<string, string>;
  /** SIGKILL; the next one is started at once. */
  replace(name: PairName, which: number): Promise<void>;
  /** Starts two new ones, with more in their environment; those that are there still are killed first. */
  restartPair(name: PairName, more?: Readonly<Record<string, string>>): Promise<void>;
  /** Freezes an engine with all of its processes, and lets them go on. */
  freeze(engine: EngineName): () => void;
  /** Texts that no log may hold: passwords, keys and tokens. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

/** The whole stack with NATS, two of each process, every engine behind a proxy, and the demo's declarations. */
export async function startPairsWorld(signal: AbortSignal): Promise<PairsWorld> {
  const open: TcpProxy[] = [];
  const proxyTo = async (...ports: number[]): Promise<TcpProxy> => {
    const proxy = await startTcpProxy(ports);
    open.push(proxy);
    return proxy;
  };
  let kafka: TcpProxy | undefined;
  const stack = await startProcessStack(signal, {
    nats: true,
    kafkaAt: async (port) => {
      kafka = await proxyTo(port);
      return kafka.port;
    },
  });
  const { ports, state } = stack;
  if (kafka === undefined) throw new Error("Kafka has no proxy");
  const proxies: Record<EngineName | "scrum", TcpProxy> = {
    kafka,
    postgres: await proxyTo(ports.postgres),
    nats: await proxyTo(ports.nats),
    temporal: await proxyTo(ports.temporal),
    s3: await proxyTo(ports.s3),
    scrum: await proxyTo(ports.scrum),
  };
  const { operatorFile } = stack.folder;
  const operator = readFileSync(operatorFile, "utf8");
  writeFileSync(operatorFile, operator.replace(`${loopback}:${ports.scrum}`, `${loopback}:${proxies.scrum.port}`));
  const apiPorts = await freePorts(2);
  const apis = await proxyTo(...apiPorts);
  const through = new Map(engineNames.map((name) => [ports[name], proxies[name].port])).set(ports.api, apis.port);
  const told = (name: PairName, which: number): Record<string, string> => ({
    ...stack.environmentOf(name, through),
    AUTOMATION_EVENT_BUS: "kafka", // requests come on both
    ...(name === "api" && { AUTOMATION_API_ADDRESS: `${loopback}:${apiPorts[which]}` }),
  });
  const members = new Map<string, Member>();
  const start = async (name: PairName, which: number, more: Readonly<Record<string, string>> = {}): Promise<void> => {
    members.set(`${name}/${which}`, await stack.start(name, undefined, { ...told(name, which), ...more }));
  };
  const member = (name: PairName, which: number): Member => {
    const found = members.get(`${name}/${which}`);
    if (found === undefined) throw new Error(`there is no ${name} ${which}`);
    return found;
  };
  const superuser = new pg.Pool({ connectionString: state.postgres.url, max: 2 });
  superuser.on("error", () => undefined); // it is restarted on purpose
  const close = async () => {
    await superuser.end();
    await stack.close();
    await Promise.all(open.map((proxy) => proxy.close()));
  };
  try {
    const { code } = await stack.migrate();
    if (code !== 0) throw new Error(stack.logOf("migrate"));
    await Promise.all(pairNames.map((name) => start(name, 0)));
    await Promise.all(pairNames.map((name) => start(name, 1)));
    const scope = { tenant: "acme", org: "retail" };
    const token = await mintToken(state, { ...scope, role: "admin", subject: "test" }, signal);
    const apiUrl = `http://${loopback}:${apis.port}`;
    const api = createApiClient({ apiUrl, token: () => token, ...scope });
    for await (const { outcome, name } of declareDemo(api, state, readDemoSettings(), signal))
      if (outcome === "conflict") throw new Error(`${name} is there already, and otherwise`);
    return {
      stack,
      superuser,
      api,
      proxies,
      member,
      environmentOf: (name) => told(name, 0),
      replace: async (name, which) => {
        await member(name, which).kill();
        await start(name, which);
      },
      restartPair: async (name, more) => {
        await Promise.all([0, 1].map((which) => member(name, which).kill()));
        await Promise.all([0, 1].map((which) => start(name, which, more)));
      },
      freeze: (engine) => {
        const pid = stack.engines[engine]?.pid() ?? 0;
        const all = [pid, ...childrenOf(pid)];
        const send = (by: NodeJS.Signals) => {
          for (const each of all)
            try {
              process.kill(each, by);
            } catch {
              // a session of Postgres may have ended
            }
        };
        send("SIGSTOP");
        return () => send("SIGCONT");
      },
      secrets: [
        ...Object.values(stack.secrets),
        token,
        ...[stack.folder.workerToken, stack.folder.scrumToken].map((file) => readFileSync(file, "utf8").trim()),
      ],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
