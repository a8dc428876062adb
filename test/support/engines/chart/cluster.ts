import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loopback } from "../../../../local/engines/engine.ts";
import type { EngineProcess } from "../../../../local/engines/process.ts";
import { requireProgram } from "../../../../local/engines/programs.ts";
import { runProgram } from "../../../../local/engines/run-program.ts";
import { answers, startEngine } from "../../../../local/engines/start.ts";
import { findBy } from "../../probes/find.ts";
import { freePorts } from "../free-ports.ts";
import { findClusterPrograms, findKwok } from "./chart-tools.ts";

const token = "of-the-administrator";
const startsIn = 3 * 60_000;

export interface Cluster {
  /** A kubeconfig of an administrator. */
  readonly kubeconfig: string;
  /** Runs kubectl. @returns what it printed; throws with what it complains of when it fails */
  kubectl(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts a Kubernetes with its real API server, controllers, scheduler and admission, and nodes that kwok plays: pods become ready, and those of Jobs complete, but nothing runs in them.
 * @param nodes - one for each name, in a zone of its own
 */
export async function startCluster(nodes: readonly string[], signal: AbortSignal): Promise<Cluster> {
  const etcd = requireProgram(
    "etcd",
    "etcd",
    "to store what the API server is told",
    "install it: `apt-get install etcd-server`",
  );
  const kubectl = requireProgram(
    "kubectl",
    "kubectl",
    "to talk to it",
    "install it: `apt-get install kubernetes-client`",
  );
  const find = findBy(signal, console.error);
  const [programs, kwok] = await Promise.all([findClusterPrograms(find), findKwok(find)]);
  const dir = mkdtempSync(join(tmpdir(), "automation-cluster-"));
  const at = (name: string) => join(dir, name);
  const running: EngineProcess[] = [];
  const stop = async () => {
    for (const each of running.toReversed()) await each.stop(2_000);
    rmSync(dir, { recursive: true, force: true });
  };
  const [etcdPort = 0, peerPort = 0, apiPort = 0, managerPort = 0, schedulerPort = 0, kwokPort = 0] =
    await freePorts(6);
  const api = `https://${loopback}:${apiPort}`;
  const kubeconfig = at("kubeconfig.json");
  writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(api)), { mode: 0o600 });
  writeFileSync(at("tokens.csv"), `${token},administrator,1,"system:masters"\n`, { mode: 0o600 });
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(at("accounts.pem"), privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
  mkdirSync(at("certificates"));

  const start = async (name: string, port: number, argv: string[], ready: () => Promise<boolean>) => {
    const env = { PATH: process.env.PATH, HOME: dir };
    const files = { logFile: at(`logs/${name}.log`), pidsDir: at("pids"), cwd: dir };
    running.push(await startEngine({ name, port, argv, env, ...files, ready, signal }));
  };
  const run = async (...args: string[]) => {
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    const ended = await runProgram([kubectl, ...args], { env, limitMs: startsIn, signal });
    if (ended.code === 0) return ended.stdout;
    throw new Error(`kubectl ${args.join(" ")}: ${ended.stderr}`);
  };
  const isWell = (port: number) => () => isOk(`https://${loopback}:${port}/healthz`);

  try {
    const stored = `http://${loopback}:${etcdPort}`;
    const peer = `http://${loopback}:${peerPort}`;
    await start(
      "etcd",
      etcdPort,
      [
        etcd,
        `--data-dir=${at("etcd")}`,
        `--listen-client-urls=${stored}`,
        `--advertise-client-urls=${stored}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
      ],
      () => answers(`${stored}/health`, (status) => status === 200),
    );
    await start(
      "kube-apiserver",
      apiPort,
      [
        join(programs, "kube-apiserver"),
        `--etcd-servers=${stored}`,
        `--bind-address=${loopback}`,
        `--secure-port=${apiPort}`,
        `--cert-dir=${at("certificates")}`,
        `--token-auth-file=${at("tokens.csv")}`,
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-account-key-file=${at("accounts.pem")}`,
        `--service-account-signing-key-file=${at("accounts.pem")}`,
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged", // Pod Security decides, by namespace
        "--feature-gates=WatchList=false", // Debian's etcd, 3.4, can't tell how far a watch is
      ],
      () => isOk(`${api}/readyz`),
    );
    await start(
      "kube-controller-manager",
      managerPort,
      [
        join(programs, "kube-controller-manager"),
        `--kubeconfig=${kubeconfig}`,
        `--service-account-private-key-file=${at("accounts.pem")}`,
        "--leader-elect=false",
        `--bind-address=${loopback}`,
        `--secure-port=${managerPort}`,
        `--cert-dir=${at("certificates")}`,
      ],
      isWell(managerPort),
    );
    await start(
      "kube-scheduler",
      schedulerPort,
      [
        join(programs, "kube-scheduler"),
        `--kubeconfig=${kubeconfig}`,
        "--leader-elect=false",
        `--bind-address=${loopback}`,
        `--secure-port=${schedulerPort}`,
        `--cert-dir=${at("certificates")}`,
      ],
      isWell(schedulerPort),
    );
    await start(
      "kwok",
      kwokPort,
      [
        join(kwok, "kwok"),
        `--kubeconfig=${kubeconfig}`,
        "--manage-all-nodes",
        `--config=${join(import.meta.dirname, "nodes", "stages.yaml")}`,
        `--server-address=${loopback}:${kwokPort}`,
      ],
      () => answers(`http://${loopback}:${kwokPort}/healthz`, (status) => status === 200),
    );
    for (const name of nodes) {
      writeFileSync(at(`${name}.json`), JSON.stringify(nodeOf(name)));
      await run("create", "--filename", at(`${name}.json`));
    }
    await run("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s");
    return { kubeconfig, kubectl: run, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const kubeconfigOf = (server: string) => ({
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name: "test", cluster: { server, "insecure-skip-tls-verify": true } }],
  users: [{ name: "administrator", user: { token } }],
  contexts: [{ name: "test", context: { cluster: "test", user: "administrator" } }],
  "current-context": "test",
});

const room = { cpu: "32", memory: "256Gi", pods: "110", "ephemeral-storage": "500Gi" };
const nodeOf = (name: string) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": `zone-${name}` } },
  status: { capacity: room, allocatable: room },
});

/** Whether that URL answers 200, whoever signed its certificate. */
const isOk = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}` };
    const asked = request(url, { rejectUnauthorized: false, headers, timeout: 5_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.once("error", () => resolve(false));
    asked.once("timeout", () => asked.destroy());
    asked.end();
  });
