import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitUntil } from "../../local/engines/wait-until.ts";
import { findChartTools } from "../support/engines/chart/chart-tools.ts";
import type { Cluster } from "../support/engines/chart/cluster.ts";
import { startCluster } from "../support/engines/chart/cluster.ts";
import { findKubernetesSchemas } from "../support/engines/chart/kubernetes-schemas.ts";
import { clone, shell } from "../support/engines/stack.ts";
import { findBy } from "../support/probes/find.ts";
import { blocksOf, saveFilesOf, textOf } from "../support/probes/pages.ts";

/**
 * Follows docs/operating/install.md, block by block, on a real API server with Pod Security enforced, real controllers and a real scheduler. Nodes and what runs on them are played by kwok.
 */
const page = "docs/operating/install.md";
const chart = "charts/automation-scheduler";
const release = "automation-scheduler";
const signal = AbortSignal.timeout(40 * 60_000);

let cluster: Cluster;
let folder: string;
let tools: string;

beforeAll(async () => {
  tools = await findChartTools(findBy(signal, console.error));
  cluster = await startCluster(["a", "b", "c"], signal);
  const { crds } = await findKubernetesSchemas(findBy(signal, console.error));
  await cluster.kubectl("apply", "--server-side", "--filename", crds);
  folder = mkdtempSync(join(tmpdir(), "automation-install-"));
  saveFilesOf(page, folder);
  // the page's paths begin in the clone; what it writes does not go there
  for (const name of ["charts", "examples"]) spawnSync("ln", ["-s", join(clone, name), folder]);
}, 40 * 60_000);
afterAll(async () => {
  await cluster?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const run = async (text: string) => {
  const settings = `export KUBECONFIG='${cluster.kubeconfig}' PATH="${tools}:$PATH" HOME='${folder}'`;
  return await shell(`set -eu\n${settings}\n${text}`, folder);
};
/** The commands of a page below a heading. */
const commandsBelow = (heading: string, from = page) => {
  const blocks = blocksOf(from).filter(({ language, line }) => language === "sh" && headingAt(from, line) === heading);
  expect(blocks, heading).not.toHaveLength(0);
  return blocks;
};
/** Runs the commands of the page below a heading. */
async function follow(heading: string): Promise<string> {
  const blocks = commandsBelow(heading);
  let printed = "";
  for (const { text, line } of blocks) {
    const { code, stdout, stderr } = await run(text);
    expect({ at: `${page}:${line}`, code, stdout, stderr }).toMatchObject({ code: 0 });
    printed += stdout;
  }
  return printed;
}
const headingAt = (from: string, line: number): string =>
  textOf(from)
    .split("\n")
    .slice(0, line)
    .findLast((each) => each.startsWith("## "))
    ?.slice(3) ?? "";
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await cluster.kubectl(...args, "--output=json"));

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly status: { readonly phase: string };
  }[];
}
const podsOf = async (component: string, namespace = "automation"): Promise<string[]> => {
  const selector = `app.kubernetes.io/component=${component}`;
  const { items } = await json<Pods>("get", "pods", "--namespace", namespace, "--selector", selector);
  return items.map(({ metadata }) => metadata.name).toSorted();
};
const evict = async (pod: string): Promise<void> => {
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace: "automation" } };
  writeFileSync(join(folder, "eviction.json"), JSON.stringify(eviction));
  const path = `/api/v1/namespaces/automation/pods/${pod}/eviction`;
  await cluster.kubectl("create", "--raw", path, "--filename", join(folder, "eviction.json"));
};
const available = ["wait", "deployments", "--all", "--for=condition=Available", "--timeout=120s"];

describe("the page", () => {
  it("installs every process, in two namespaces, after the migration", async () => {
    await follow("1. Namespaces");
    await follow("2. Secrets");
    await follow("4. Install");
    await cluster.kubectl(...available, "--namespace", "automation");
    await cluster.kubectl(...available, "--namespace", "automation-workspace");
    for (const component of ["api", "dispatcher", "relay", "worker-control"])
      expect(await podsOf(component), component).toHaveLength(2);
    expect(await podsOf("worker-workspace", "automation-workspace")).toHaveLength(1);
    const job = ["--namespace", "automation", "job/automation-scheduler-migrate"];
    expect(await cluster.kubectl("get", ...job, "--output=jsonpath={.status.succeeded}")).toBe("1");
  });

  it("has pods spread over nodes, and the one of the boxes let in only where it is meant to be", async () => {
    const { items } = await json<{ items: { spec: { nodeName: string } }[] }>(
      "get",
      "pods",
      "--namespace=automation",
      "--selector=app.kubernetes.io/component=api",
    );
    expect(new Set(items.map(({ spec }) => spec.nodeName)).size).toBe(2);
    const deployment = await json<{ metadata: object; spec: { template: { metadata: object; spec: object } } }>(
      "get",
      "deployment/automation-scheduler-worker-workspace",
      "--namespace=automation-workspace",
    );
    const { spec } = deployment.spec.template;
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "misplaced", namespace: "automation" }, spec };
    writeFileSync(join(folder, "misplaced.json"), JSON.stringify(pod));
    await expect(cluster.kubectl("create", "--filename", join(folder, "misplaced.json"))).rejects.toThrow(
      /violates PodSecurity "restricted:latest".*seccompProfile/,
    );
  });

  it("sends one event, and waits for the end of what it asks for", async () => {
    const probe = ["pod/automation-scheduler-probe", "--namespace=automation"];
    const phase = () =>
      cluster.kubectl("get", ...probe, "--output=jsonpath={.status.phase}").catch(() => "none so far");
    const ending = waitUntil("the probe's pod", async () => (await phase()) === "Running", {
      limitMs: 300_000,
      everyMs: 250,
      signal,
    }).then(async () => {
      expect(await cluster.kubectl("get", ...probe, "--output=jsonpath={.spec.containers[0].args}")).toContain(
        "--watch",
      );
      await cluster.kubectl(
        "patch",
        ...probe,
        "--subresource=status",
        "--type=merge",
        '--patch={"status":{"phase":"Succeeded"}}',
      );
    });
    const [printed] = await Promise.all([follow("6. Send one event"), ending]);
    expect(printed).toMatch(/TEST SUITE: +automation-scheduler-probe[\s\S]*Phase: +Succeeded/);
  });

  it("keeps one of two pods while nodes are drained", async () => {
    await cluster.kubectl("cordon", "a", "b", "c");
    const [first = "", second = ""] = await podsOf("api");
    await evict(first);
    await expect(evict(second)).rejects.toThrow(/Cannot evict pod as it would violate the pod's disruption budget/);
    await cluster.kubectl("uncordon", "a", "b", "c");
    await cluster.kubectl(...available, "--namespace", "automation");
  });

  it("is followed by that which changes credentials: each ends as one that is new, and no pod is replaced", async () => {
    const secretsNow = async (namespace: string) => {
      const { items } = await json<{ items: { metadata: { name: string }; data?: Record<string, string> }[] }>(
        "get",
        "secrets",
        "--field-selector=type=Opaque", // Helm's own are large
        `--namespace=${namespace}`,
      );
      const text = (value: string) => Buffer.from(value, "base64").toString();
      return new Map(
        items.flatMap(({ metadata, data = {} }) =>
          Object.entries(data).map(([key, value]) => [`${metadata.name} ${key}`, text(value)] as const),
        ),
      );
    };
    const [before, podsBefore] = [await secretsNow("automation"), await podsOf("api")];
    const bin = join(folder, "bin"); // the database is not here: what it would be told
    mkdirSync(bin);
    writeFileSync(join(bin, "psql"), `#!/bin/sh\nprintf '%s\\n' "$3" >> '${folder}/told'\n`, { mode: 0o755 });
    const given = { ACCESS_KEY: "key-2", SECRET_KEY: "secret-2", SCRUM_TOKEN: "scrum-2", WORKER_TOKEN: "worker-2" };
    const settings = Object.entries({ ...given, ADMIN_URL: "postgres://here", KEY_ID: "SHA256:stolen" });
    const exports = [`export PATH='${bin}':"$PATH"`, ...settings.map(([name, value]) => `export ${name}='${value}'`)];
    for (const heading of [
      "Database",
      "Object store",
      "Tokens of methodologies",
      "Signing keys",
      "Token of the workers",
    ]) {
      const lines = commandsBelow(heading, "docs/operating/rotation.md").map(({ text }) => text);
      const { code, stdout, stderr } = await run([...exports, ...lines].join("\n"));
      expect({ heading, code, stdout, stderr }).toMatchObject({ code: 0 });
    }
    const after = await secretsNow("automation");
    const password = after.get("automation-database api-password") ?? "";
    expect(password).toMatch(/^[0-9a-f]{48}$/);
    expect(readFileSync(join(folder, "told"), "utf8").split("\n")).toEqual([
      `alter role automation_api password '${password}'`,
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'automation_api'",
      "update signing_keys set not_after = now() where key_id = 'SHA256:stolen'",
      "",
    ]);
    const changed = [...after].filter(([key, value]) => before.get(key) !== value).map(([key]) => key);
    expect(changed.toSorted()).toEqual([
      "automation-database api-password",
      "automation-methodology-tokens scrum",
      "automation-object-store access-key-id",
      "automation-object-store secret-access-key",
      "automation-signing builder.pem",
      "automation-signing verifier.pem",
      "automation-worker-token token",
    ]);
    expect([...after.keys()].toSorted()).toEqual([...before.keys()].toSorted());
    expect((await secretsNow("automation-workspace")).get("automation-worker-token token")).toBe("worker-2");
    expect(await podsOf("api")).toEqual(podsBefore);
  });

  it("and by that which replaces pods for certificates, all of which come back", async () => {
    const before = await podsOf("api");
    const lines = commandsBelow("Certificates and authorities", "docs/operating/rotation.md").map(({ text }) => text);
    expect(await run(lines.join("\n"))).toMatchObject({ code: 0 });
    const status = ["rollout", "status", "deployment/automation-scheduler-api", "--timeout=120s"];
    await cluster.kubectl(...status, "--namespace", "automation");
    await waitUntil(
      "the pods before are gone",
      async () => (await podsOf("api")).every((pod) => !before.includes(pod)),
      { limitMs: 120_000, everyMs: 250, signal },
    );
    await cluster.kubectl(...available, "--namespace", "automation");
    await cluster.kubectl(...available, "--namespace", "automation-workspace");
  });

  it("restarts what reads the operator file when that changes, and nothing else", async () => {
    const revisions = async () => {
      const { items } = await json<{ items: { metadata: { name: string; annotations: Record<string, string> } }[] }>(
        "get",
        "deployments",
        "--namespace=automation",
      );
      return Object.fromEntries(
        items.map(({ metadata }) => [
          metadata.name.replace(`${release}-`, ""),
          metadata.annotations["deployment.kubernetes.io/revision"],
        ]),
      );
    };
    const before = await revisions();
    const upgraded = await run(
      `helm upgrade ${release} ${chart} --namespace automation --values automation-values.yaml --set 'operator.config.roles={developer}' --wait --timeout 5m`,
    );
    expect(upgraded).toMatchObject({ code: 0 });
    const after = await revisions();
    const restarted = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(restarted.toSorted()).toEqual(["api", "dispatcher"]);
  });

  it("keeps the old build of the control worker beside the new one", async () => {
    const blocks = blocksOf(page).filter(({ text }) => text.startsWith("NEW="));
    expect(blocks).toHaveLength(1);
    expect(await run(blocks[0]?.text ?? "")).toMatchObject({ code: 0 });
    const buildOf = async (name: string) => {
      const variable = '{.spec.template.spec.containers[0].env[?(@.name=="AUTOMATION_WORKER_BUILD_ID")].value}';
      const deployment = [`deployment/${name}-worker-control`, "--namespace=automation"];
      return await cluster.kubectl("get", ...deployment, `--output=jsonpath=${variable}`);
    };
    expect([await buildOf(`${release}-old`), await buildOf(release)]).toEqual(["0.1.0", "0.2.0"]);
    expect(await run(`helm uninstall ${release}-old --namespace automation --wait`)).toMatchObject({ code: 0 });
  });

  it("upgrades, goes back and is removed, with nothing left but what it does not own", async () => {
    await follow("Upgrade, go back, remove");
    const kinds = "deployments,jobs,pods,services,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets";
    for (const namespace of ["automation", "automation-workspace"]) {
      const left = await cluster.kubectl("get", kinds, "--namespace", namespace, "--output=name");
      const foreign = /configmap\/kube-root-ca.crt|serviceaccount\/default/;
      expect(left.split("\n").filter((name) => name !== "" && !foreign.test(name))).toEqual([]);
    }
    const secrets = await cluster.kubectl("get", "secrets", "--namespace=automation", "--output=name");
    expect(secrets).toContain("secret/automation-signing");
  });
});

describe("an upgrade", () => {
  it("goes from what the chart rendered when it was first committed to this one", async () => {
    const lines = [
      `helm install ${release} ${join(import.meta.dirname, "first-release")} --namespace automation --wait --timeout 5m`,
      `helm upgrade ${release} ${chart} --namespace automation --values automation-values.yaml --wait --timeout 5m`,
      `helm uninstall ${release} --namespace automation --wait`,
    ];
    expect(await run(lines.join("\n"))).toMatchObject({ code: 0 });
  });
});

describe.each(["production", "gitops", "no-crds", "keda", "external-secrets"])("values %s", (name) => {
  it("are taken by the API server", async () => {
    const { code, stdout, stderr } = await run(
      [
        `helm template ${release} ${chart} --namespace automation --values ${chart}/ci/${name}-values.yaml --no-hooks > ${name}.yaml`,
        `if grep -q 'kind: Namespace' ${name}.yaml; then kubectl create namespace automation-boxes; fi`,
        `kubectl apply --server-side --dry-run=server --filename ${name}.yaml`,
      ].join("\n"),
    );
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  });
});

describe("what Tilt applies", () => {
  it("is taken by the API server, and its pods need no privilege", async () => {
    const { code, stdout, stderr } = await run(
      [
        `kubectl apply --server-side --force-conflicts --filename ${clone}/tilt/namespaces.yaml`,
        `kubectl apply --server-side --dry-run=server --filename ${clone}/tilt/engines`,
        `helm template ${release} ${chart} --namespace automation --values ${clone}/tilt/values.yaml --values ${clone}/tilt/values-full.yaml --values ${clone}/tilt/values-live.yaml --set migration.mode=job > tilt.yaml`,
        "kubectl apply --server-side --dry-run=server --filename tilt.yaml",
      ].join("\n"),
    );
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
    expect(stderr).not.toMatch(/would violate PodSecurity/);
  });
});
