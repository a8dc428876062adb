import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loopback } from "../../local/engines/engine.ts";
import { answers } from "../../local/engines/start.ts";
import { waitUntil } from "../../local/engines/wait-until.ts";
import { mintToken } from "../../local/issuer/mint-token.ts";
import { folderOf, readSecrets } from "../../local/up/state-folder.ts";
import { createApiClient } from "../../src/client/api-client.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { automationImage } from "../support/containers/build-images.ts";
import type { ContainerStack } from "../support/containers/container-stack.ts";
import { startContainerStack } from "../support/containers/container-stack.ts";
import type { KubePlay } from "../support/containers/kube-play.ts";
import { prepareKubePlay } from "../support/containers/kube-play.ts";
import type { KubeObject, Probe } from "../support/engines/chart/render-chart.ts";
import { renderChart } from "../support/engines/chart/render-chart.ts";
import { brokersOf, shell } from "../support/engines/stack.ts";
import { findBy } from "../support/probes/find.ts";
import { blocksOf } from "../support/probes/pages.ts";

/** What the chart renders for the processes that do no work in boxes, played by podman against engines on this machine: the migration, the Deployments, and the pod of `helm test`. */

const signal = AbortSignal.timeout(15 * 60_000);
const scope = { tenant: "acme", org: "retail" };
const release = `played-${randomBytes(3).toString("hex")}`;
const secretOf = (name: string) => `${release}-${name}`;
const deployments = ["api", "dispatcher", "relay", "worker-control"];
let stack: ContainerStack;
let player: KubePlay;
let rendered: readonly KubeObject[];

beforeAll(async () => {
  stack = await startContainerStack(signal);
  player = prepareKubePlay(signal);
  rendered = await renderChart(release, values(), findBy(signal, console.error));
  await createSecrets();
}, 300_000);
afterAll(async () => {
  await player?.close();
  await stack?.close();
}, 60_000);

const folder = () => folderOf(stack.state.dir);
const blockOf = (is: { readonly label?: string; readonly begin?: string }) => {
  const [found] = blocksOf("docs/operating/install.md").filter(
    ({ label, text }) => label === (is.label ?? "") && text.startsWith(is.begin ?? ""),
  );
  if (found === undefined) throw new Error(`install.md has no block ${is.label ?? is.begin}`);
  return found.text;
};

/** Addresses of this machine's engines and ports of this machine, since all pods share its network. */
function values(): object {
  const { state } = stack;
  const ports: Record<string, number> = JSON.parse(readFileSync(folder().portsFile, "utf8"));
  const config = parse(readFileSync(folder().operatorFile, "utf8"));
  config.methodologies.scrum.tokenFile = "/etc/automation/methodology-tokens/scrum";
  const [registry, name = ""] = automationImage.split("/");
  const [repository, tag] = name.split(":");
  const existing = (secret: string) => ({ existingSecret: secretOf(secret) });
  return {
    image: { registry, automation: { repository, tag } },
    postgres: { host: loopback, port: ports.postgres },
    kafka: { brokers: brokersOf(state), cluster: "local" },
    temporal: { address: state.temporal.address, namespace: state.temporal.namespace },
    objectStore: { endpoint: state.s3.endpoint, region: state.s3.region, bucket: state.s3.bucket },
    issuer: { url: state.issuer.url },
    operator: { config },
    secrets: {
      database: existing("database"),
      migration: existing("migration"),
      objectStore: existing("object-store"),
      signing: existing("signing"),
      workerToken: existing("worker-token"),
      methodologyTokens: existing("methodology-tokens"),
    },
    api: { replicas: 1, port: ports.api, healthPort: ports.apiHealth, externalUrl: state.api.url },
    dispatcher: { replicas: 1, healthPort: ports.dispatcher },
    relay: { replicas: 1, healthPort: ports.relay },
    workerControl: { replicas: 1, healthPort: ports.worker },
    workerWorkspace: { enabled: false },
    probe: { ...parse(blockOf({ label: "automation-probe.yaml" })).probe, tokenSecret: secretOf("probe-token") },
  };
}

/** The Secrets that docs/operating/install.md makes. */
async function createSecrets(): Promise<void> {
  const { state } = stack;
  const made = readSecrets(folder());
  const key = () => generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const variables = {
    "probe-token": { token: await mintToken(state, { ...scope, role: "viewer", subject: "probe" }, signal) },
  };
  const files = {
    migration: { admin: made.superuser },
    database: { migrate: made.migrate, api: made.api, dispatcher: made.dispatcher, relay: made.relay },
    "object-store": { "access-key-id": made.s3AccessKeyId, "secret-access-key": made.s3SecretAccessKey },
    signing: { "builder.pem": key(), "verifier.pem": key() },
    "worker-token": { token: readFileSync(folder().workerToken, "utf8") },
    "methodology-tokens": { scrum: readFileSync(folder().scrumToken, "utf8") },
  };
  for (const [name, data] of Object.entries(variables)) await player.createSecret(secretOf(name), data, "variables");
  for (const [name, data] of Object.entries(files)) await player.createSecret(secretOf(name), data, "files");
}

function objectOf(kind: string, suffix: string): KubeObject {
  const [found] = rendered.filter(({ metadata, ...object }) => object.kind === kind && metadata.name.endsWith(suffix));
  if (found === undefined) throw new Error(`the chart renders no ${kind} ${suffix}`);
  return found;
}
const containerOf = async (pod: string, name: string) => {
  const [{ State, HostConfig, Config, EffectiveCaps }] = JSON.parse(await player.podman("inspect", `${pod}-${name}`));
  return { state: State, host: HostConfig, config: Config, capabilities: EffectiveCaps };
};
/** Waits for the end of a pod with one container. */
const endOf = async (pod: string, name: string) => ({
  code: (await player.podman("wait", `${pod}-${name}`)).trim(),
  log: await player.podman("logs", `${pod}-${name}`),
});

/** Asks as the kubelet does. */
const isWell = ({ httpGet, grpc }: Probe, health: number) =>
  httpGet === undefined
    ? isServing(grpc?.port)
    : answers(`http://${loopback}:${health}${httpGet.path}`, (status) => status === 200);
async function isServing(port: number | undefined): Promise<boolean> {
  const url = `http://${loopback}:${port}/grpc.health.v1.Health/Check`;
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: "{}" }).catch(() => undefined);
  return answer?.ok === true && JSON.parse(await answer.text()).status === "SERVING";
}

it("prepares database, topics and bucket by the pod of the rendered Job", async () => {
  const pod = await player.play(objectOf("Job", "-migrate"), []);
  expect(await endOf(pod, "migrate")).toMatchObject({ code: "0" });
});

describe.each(deployments)("the rendered Deployment %s", (name) => {
  it("becomes ready, and lives, by its probes", async () => {
    const deployment = objectOf("Deployment", `-${name}`);
    await player.play(deployment, [objectOf("ConfigMap", "-operator")]);
    const [container] = deployment.spec?.template?.spec.containers ?? [];
    const health = container?.ports?.find(({ name }) => name === "health")?.containerPort ?? 0;
    const { startupProbe = {}, readinessProbe = {}, livenessProbe = {} } = container ?? {};
    for (const probe of [startupProbe, readinessProbe, livenessProbe])
      await waitUntil(`${name} is well`, () => isWell(probe, health), { limitMs: 60_000, everyMs: 250, signal });
  });

  it("runs as an ordinary user without capabilities, on a root that can't be written", async () => {
    const { host, config, capabilities } = await containerOf(`${release}-automation-scheduler-${name}-pod-0`, name);
    expect({ root: host.ReadonlyRootfs, user: config.User, capabilities }).toEqual({
      root: true,
      user: "10001:10001",
      capabilities: null,
    });
  });
});

it("renders no other Deployment", () => {
  expect(rendered.filter(({ kind }) => kind === "Deployment")).toHaveLength(deployments.length);
});

it("takes what the page declares", async () => {
  const token = await mintToken(stack.state, { ...scope, role: "admin", subject: "test" }, signal);
  const lines = blockOf({ begin: "export AUTOMATION_API_URL=" })
    .replace("http://127.0.0.1:8080", stack.state.api.url)
    .replace("token-of-your-issuer", token);
  const { code, stdout, stderr } = await shell(lines);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(
    /^created +WorkflowDefinition increment-evidence@[\s\S]*^created +MethodologyProfile scrum-team/m,
  );
});

it("sends the page's event by the rendered pod of `helm test`, which ends when the run is COMPLETED, by containers only", async () => {
  const pod = await player.play(objectOf("Pod", "-probe"), [objectOf("ConfigMap", "-probe")], { PROBE_ID: "probed" });
  expect(await endOf(pod, "probe")).toMatchObject({ code: "0", log: expect.stringContaining("COMPLETED") });
  const { state } = stack;
  const token = await mintToken(state, { ...scope, role: "viewer", subject: "test" }, signal);
  const api = createApiClient({ apiUrl: state.api.url, token: () => token, ...scope });
  const { deliveries } = await api.requests.listRunRequests({ eventId: "probed" }, { signal });
  const { run } = await api.workflows.describeWorkflowRun({ runId: deliveries[0]?.runId ?? "" }, { signal });
  expect(run?.status).toBe(RunStatus.COMPLETED);
}, 180_000);

describe.each(deployments.toReversed())("the end of the Deployment %s", (name) => {
  it("is a drain that ends with 0", async () => {
    const pod = `${release}-automation-scheduler-${name}-pod-0`;
    await player.podman("pod", "stop", "--time", "30", pod);
    expect((await containerOf(pod, name)).state.ExitCode).toBe(0);
  });
});
