import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Command } from "commander";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { searchAttributes } from "../../local/engines/temporal/temporal.ts";
import { registerCommands } from "../../src/cli/commands.ts";
import { commandOf } from "../../src/cli/usage/as-typed.ts";
import { findChartTools, findTiltfileEvaluator } from "../support/engines/chart/chart-tools.ts";
import { clone } from "../support/engines/stack.ts";
import { findBy } from "../support/probes/find.ts";

/**
 * Evaluates the Tiltfile by a Starlark interpreter with stand-ins for Tilt's functions. The chart is rendered by helm, and credentials are made, as Tilt has it done.
 * What only Tilt itself can say, is not tested here: whether it takes each argument as the stand-ins do.
 */
interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: {
    readonly template?: {
      readonly spec: {
        readonly containers: readonly {
          readonly image: string;
          readonly ports?: readonly { readonly containerPort: number }[];
        }[];
      };
    };
  };
}
interface Call {
  readonly call: string;
  readonly name: string;
  readonly workload: string;
  readonly ref: string;
  readonly target: string;
  readonly objects: readonly KubernetesObject[];
  readonly resource_deps: readonly string[];
  readonly port_forwards: readonly string[];
  readonly only: readonly string[];
  readonly live_update: readonly { readonly step: string; readonly local_path: string; readonly remote_path: string }[];
  readonly cmd: readonly string[];
  readonly args: readonly string[];
  readonly start_on: { readonly ui_buttons?: readonly string[] };
  readonly key: string;
  readonly printed: string;
  readonly location: { readonly component_id: string };
}
interface Settings {
  readonly context?: string;
  readonly subcommand?: string;
  readonly flags?: Readonly<Record<string, string>>;
}

let folder: string;
let path: string;
let evaluator: string;
beforeAll(async () => {
  const find = findBy(AbortSignal.timeout(30 * 60_000), console.error);
  const tools = await findChartTools(find);
  evaluator = join(await findTiltfileEvaluator(find), "evaluate");
  path = [tools, process.env.PATH].join(delimiter);
  // Credentials are made below the folder of the program that makes them, which is not to be the clone.
  folder = mkdtempSync(join(tmpdir(), "automation-tilt-"));
  const copied = ["Tiltfile", "local", "src"];
  for (const name of copied) cpSync(join(clone, name), join(folder, name), { recursive: true });
  for (const name of readdirSync(clone))
    if (![...copied, ".tilt"].includes(name)) symlinkSync(join(clone, name), join(folder, name));
}, 30 * 60_000);
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const program = new Command("automation");
await registerCommands(program);
const standIns = join(clone, "test", "support", "engines", "chart", "tiltfile", "stand-ins.star");
/** What helm and the maker of credentials printed, by their arguments. */
const executed: Record<string, string> = {};
function evaluate({ context = "kind-dev", subcommand = "up", flags = {} }: Settings, tiltfile = "Tiltfile") {
  const { status, stdout, stderr } = spawnSync(evaluator, [join(folder, tiltfile), standIns], {
    input: JSON.stringify({ context, subcommand, flags, executed }),
    encoding: "utf8",
    env: { ...process.env, PATH: path },
    maxBuffer: 64 * 1_048_576,
  });
  const calls: Call[] = status === 0 ? JSON.parse(stdout) : [];
  for (const { call, key, printed } of calls) if (call === "execute") executed[key] = printed;
  return { status, stderr, calls };
}
function callsOf(settings: Settings): readonly Call[] {
  const { status, stderr, calls } = evaluate(settings);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return calls;
}

const external = { profile: "external", values: "examples/values/paired-values.yaml" };
const aRun = "6d625e65-9d44-50fa-aac5-ddc9b5b61518";
const reproducing: Settings = { flags: { profile: "full", run: aRun } };
const ways: readonly (readonly [string, Settings])[] = [
  ["minimal", {}],
  ["full", { flags: { profile: "full" } }],
  ["external", { flags: external }],
  ["minimal, for CI", { subcommand: "ci" }],
  ["full, reproducing a run", reproducing],
];

/** @returns every fault of what was evaluated: empty, or one line each */
function faultsOf(calls: readonly Call[]): string[] {
  const of = (...names: readonly string[]) => calls.filter(({ call }) => names.includes(call));
  const faults: string[] = [];
  const applied = of("k8s_yaml").flatMap(({ objects }) => objects);
  const workloads = applied.filter(({ kind }) => ["Deployment", "Job", "StatefulSet"].includes(kind));
  const resources = of("k8s_resource", "local_resource");
  const names = resources.map(({ name }) => name);

  for (const { name, workload, objects } of of("k8s_resource")) {
    if (workload !== "" && !workloads.some(({ metadata }) => metadata.name === workload))
      faults.push(`resource ${name}: nothing that is applied is called ${workload}`);
    for (const selected of objects as unknown as readonly string[]) {
      const [object, kind, namespace] = selected.split(":");
      const found = applied.filter(
        (each) => each.metadata.name === object && each.kind === kind && each.metadata.namespace === namespace,
      );
      if (found.length !== 1) faults.push(`resource ${name}: ${found.length} objects are ${selected}`);
    }
  }
  for (const { metadata } of workloads)
    if (!of("k8s_resource").some(({ workload }) => workload === metadata.name))
      faults.push(`${metadata.name} has no resource, so it would not wait for what it needs`);
  for (const name of names.filter((each, index) => names.indexOf(each) !== index))
    faults.push(`two resources are called ${name}`);

  const needs = new Map(resources.map(({ name, resource_deps }) => [name, resource_deps]));
  for (const [name, deps] of needs)
    for (const dep of deps) if (!needs.has(dep)) faults.push(`${name} waits for ${dep}, which is no resource`);
  const settled = new Set<string>();
  for (let before = -1; before !== settled.size; ) {
    before = settled.size;
    for (const [name, deps] of needs) if (deps.every((dep) => settled.has(dep) || !needs.has(dep))) settled.add(name);
  }
  for (const name of needs.keys()) if (!settled.has(name)) faults.push(`${name} waits for itself`);

  const ports = of("k8s_resource").flatMap(({ name, workload, port_forwards }) =>
    port_forwards.map((forward) => ({
      name,
      workload,
      host: forward.split(":")[0],
      pod: Number(forward.split(":")[1]),
    })),
  );
  for (const { name, workload, host, pod } of ports) {
    if (ports.filter((other) => other.host === host).length > 1)
      faults.push(`${name}: port ${host} is forwarded twice`);
    const containers =
      workloads.find(({ metadata }) => metadata.name === workload)?.spec?.template?.spec.containers ?? [];
    if (!containers.some((container) => container.ports?.some(({ containerPort }) => containerPort === pod)))
      faults.push(`${name}: no container has port ${pod}`);
  }

  const images = new Set(
    workloads.flatMap(({ spec }) => spec?.template?.spec.containers.map(({ image }) => image) ?? []),
  );
  const dockerfile = readFileSync(join(clone, "Dockerfile"), "utf8");
  const built = of("docker_build");
  for (const { ref, target, only, live_update } of built) {
    if (!dockerfile.includes(` AS ${target}\n`)) faults.push(`image ${ref}: the Dockerfile has no target ${target}`);
    if (![...images].some((image) => image.split(":")[0] === ref)) faults.push(`image ${ref}: nothing runs it`);
    for (const { step, local_path, remote_path } of live_update.filter((each) => each.step === "sync")) {
      if (!only.includes(local_path))
        faults.push(`image ${ref}: ${step} of ${local_path}, which its build is not given`);
      const mount = workloads.flatMap(({ spec }) => JSON.stringify(spec).match(/"mountPath":"[^"]*"/g) ?? []);
      if (!mount.includes(`"mountPath":"/${remote_path.split("/")[1]}"`))
        faults.push(`image ${ref}: nothing can be written to ${remote_path}`);
    }
  }
  for (const image of images) {
    const [name = "", tag = ""] = image.split(/:(?=[^/]*$)/);
    if (!name.includes("/") && !built.some(({ ref }) => ref === name)) faults.push(`image ${image} is not built`);
    if (tag === "" || tag === "latest") faults.push(`image ${image} names no version`);
  }
  const steps = of("live_update_step").length;
  const used = built.flatMap(({ live_update }) => live_update).length;
  if (steps !== used) faults.push(`${steps - used} steps of a live update are not used, which Tilt refuses`);

  const buttons = of("ui_button");
  for (const { name, location } of buttons) {
    if (!names.includes(location.component_id))
      faults.push(`button ${name} is on ${location.component_id}, which is no resource`);
    if (!of("cmd").some(({ start_on }) => start_on.ui_buttons?.includes(name)))
      faults.push(`button ${name} starts nothing`);
  }
  for (const { name, cmd, args } of of("cmd", "local_resource")) {
    const text = (cmd ?? args).at(-1) ?? "";
    const typed = text
      .split("npx automation ")
      .slice(1)
      .map((words) =>
        words
          .replace(/[|&;)].*/s, "")
          .trim()
          .split(/\s+/),
      );
    if (typed.length === 0) faults.push(`${name} calls nothing of ours`);
    for (const words of typed) {
      const { command, isWhole } = commandOf(program, words);
      const option = words.find(
        (word) => /^--?[a-z]/.test(word) && !command.options.some(({ short, long }) => [short, long].includes(word)),
      );
      if (!isWhole || option !== undefined)
        faults.push(`${name}: the command line does not know ${option ?? words.join(" ")}`);
      for (const word of words.filter((each) => each.startsWith("tilt/")))
        if (!existsSync(join(clone, word))) faults.push(`${name}: there is no ${word}`);
    }
  }
  return faults;
}

describe.each(ways)("the Tiltfile, %s", (_, settings) => {
  it("has resources that exist, in an order, with ports of their own, images that are built, and commands that there are", () => {
    expect(faultsOf(callsOf(settings))).toEqual([]);
  });
});

describe("the Tiltfile", () => {
  const namesIn = (settings: Settings, call: string) =>
    callsOf(settings)
      .filter((each) => each.call === call)
      .map(({ name }) => name);

  it("has what each profile is for", () => {
    const engines = ["postgres", "kafka", "temporal", "object-store", "issuer", "traces"];
    const least = ["api", "dispatcher", "relay", "worker-control", "migrate"];
    const minimal = namesIn({}, "k8s_resource");
    expect(minimal).toEqual(expect.arrayContaining([...engines, ...least]));
    expect(minimal).not.toContain("worker-workspace");
    const full = namesIn({ flags: { profile: "full" } }, "k8s_resource");
    expect(full).toEqual(expect.arrayContaining([...engines, ...least, "worker-workspace"]));
    const outside = namesIn({ flags: external }, "k8s_resource");
    expect(outside.filter((name) => engines.includes(name))).toEqual([]);
    expect(namesIn({}, "ui_button").toSorted()).toEqual([
      "cancel-last-run",
      "open-temporal",
      "open-trace",
      "publish-failing-twin",
      "publish-sample",
    ]);
  });

  it("builds what is deployed for CI, and sources that are replaced for people", () => {
    const built = (settings: Settings) =>
      callsOf(settings).flatMap(({ call, target, live_update }) =>
        call === "docker_build" ? [[target, live_update.length > 0]] : [],
      );
    expect(built({ subcommand: "ci" })).toEqual([["automation", false]]);
    expect(built({})).toEqual([["automation-live", true]]);
  });

  it("reproduces a file, or the run of an id", () => {
    const textOf = (settings: Settings) =>
      callsOf(settings)
        .find(({ name }) => name === "reproduce")
        ?.cmd.at(-1);
    expect(textOf({ flags: { run: "package.json" } })).toContain(
      "npx automation run reproduce 'package.json' --tenant scratch",
    );
    expect(textOf(reproducing)).toContain(
      `npx automation run export ${aRun} | npx automation run reproduce - --tenant scratch`,
    );
  });

  it.each<[string, Settings, RegExp]>([
    ["a context of elsewhere", { context: "production" }, /context "production".*use-context.*--context=production/],
    ["a context whose name only begins so", { context: "minikube-of-the-bank" }, /context "minikube-of-the-bank"/],
    ["an unknown profile", { flags: { profile: "tiny" } }, /--profile=tiny: must be one of minimal, full, external/],
    ["engines of nobody", { flags: { profile: "external" } }, /--values=FILE/],
    ["values that are not there", { flags: { values: "none.yaml" } }, /--values=none.yaml: there is no such file/],
    ["a run that is neither", { flags: { run: "../x;rm" } }, /--run=..\/x;rm: is no file here, and no id/],
    ["an unknown flag", { flags: { more: "1" } }, /unknown flag: --more/],
  ])("refuses %s", (_, settings, complaint) => {
    const { status, stderr } = evaluate(settings);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(complaint) });
  });

  it("takes a context that is allowed by name", () => {
    expect(evaluate({ context: "shared", flags: { context: "shared" } }).status).toBe(0);
  });

  it.each([
    [
      "a misspelt resource",
      "k8s_resource(engine,",
      "k8s_resource(engine + 's',",
      /nothing that is applied is called kafkas/,
    ],
    ["a doubled port", "'15432:5432'", "'19092:5432'", /port 19092 is forwarded twice/],
    ["a port that no container has", "'15432:5432'", "'15432:5433'", /postgres: no container has port 5433/],
    ["a circle", "'migrate': ['postgres',", "'migrate': ['api', 'postgres',", /migrate waits for itself/],
    ["an unknown target", "target='automation-live'", "target='automation-lively'", /no target automation-lively/],
    ["a missing sync path", "sync('src',", "sync('sources',", /there is no sources/],
    ["a sync path outside of the build", "sync('src',", "sync('docs',", /sync of docs, which its build is not given/],
    ["a step that is not used", "    allow_parallel", "", /steps of a live update are not used/],
    ["an unknown verb", "run cancel", "run halt", /the command line does not know run halt/],
  ])("is found to have %s", (name, was, is, fault) => {
    const text = readFileSync(join(clone, "Tiltfile"), "utf8");
    const changed = was.startsWith("    ") ? `${text}sync('src', '/live/src')\n` : text.replace(was, is);
    expect(changed).not.toBe(text);
    const file = `Tiltfile.${name.replaceAll(" ", "-")}`;
    writeFileSync(join(folder, file), changed);
    const { stderr, calls } = evaluate({}, file);
    expect([stderr, ...faultsOf(calls)].join("\n")).toMatch(fault);
  });
});

it("makes tokens that the documents of its issuer prove, the same ones the next time", async () => {
  callsOf({});
  const made = Object.entries(executed).find(([key]) => key.includes("credentials.ts"))?.[1] ?? "";
  const documents = parseAllDocuments(made).map((document) => document.toJS());
  const { data } = documents.find(({ kind }) => kind === "ConfigMap");
  const { issuer, jwks_uri } = JSON.parse(data["openid-configuration"]);
  expect(jwks_uri).toBe(`${issuer}/jwks.json`);
  const keys = createLocalJWKSet(JSON.parse(data["jwks.json"]));
  const token = readFileSync(join(folder, ".tilt", "token"), "utf8");
  const { payload } = await jwtVerify(token, keys, { issuer, audience: "automation" });
  expect(payload).toMatchObject({ tenants: ["acme", "scratch"], orgs: ["retail"], roles: ["admin"] });
  expect(data["jwks.json"]).not.toContain('"d":');
  const again = spawnSync(process.execPath, [join(folder, "local", "tilt", "credentials.ts")], { encoding: "utf8" });
  expect(again.stdout).toBe(made);
});

describe("the engines of Tilt", () => {
  const documents = globSync("tilt/engines/*.yaml", { cwd: clone }).flatMap((file) =>
    parseAllDocuments(readFileSync(join(clone, file), "utf8")).map((document) => document.toJS()),
  );
  const textOf = (name: string) => readFileSync(join(clone, "tilt", "engines", `${name}.yaml`), "utf8");

  it("have the versions that the local stack has", () => {
    const pinned = (file: string, pattern: RegExp) => pattern.exec(readFileSync(join(clone, file), "utf8"))?.[1];
    expect(textOf("temporal")).toContain(`:${pinned("local/engines/temporal/go.mod", /temporalio\/cli v(\S+)/)}\n`);
    expect(textOf("object-store")).toContain(`:v${pinned("local/engines/s3/go.mod", /versitygw v(\S+)/)}\n`);
  });

  it("give Temporal the search attributes that workflows get", () => {
    const given = [...textOf("temporal").matchAll(/--search-attribute=(\w+)=(\w+)/g)].map(([, name, type]) => [
      name,
      type,
    ]);
    expect(given).toEqual(Object.entries(searchAttributes));
  });

  it("are where the values say", () => {
    const services = documents.filter(({ kind }) => kind === "Service");
    const offered = services.flatMap(({ metadata, spec }) =>
      spec.ports.map(({ port }: { port: number }) => `${metadata.name}.${metadata.namespace}:${port}`),
    );
    const text = readFileSync(join(clone, "tilt", "values.yaml"), "utf8");
    const named = [...text.matchAll(/[\w-]+\.automation-engines:\d+/g)].map(([address]) => address);
    expect(named).toHaveLength(5);
    expect(named.filter((address) => !offered.includes(address))).toEqual([]);
  });
});
