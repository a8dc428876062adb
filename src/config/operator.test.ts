import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { assertWorkspaceRules } from "../definitions/policy/workspace-rules.ts";
import { readOperator, useOperator } from "./operator.ts";
import { platformPaths } from "./platform-paths.ts";

const dir = mkdtempSync(join(tmpdir(), "operator-"));
afterAll(() => rmSync(dir, { recursive: true }));

const workspacesOf = (yaml: string) => operatorOf(yaml).workspaces;
const methodologiesOf = (yaml: string) => operatorOf(yaml).methodologies;
const operatorOf = (yaml: string) => {
  const file = join(dir, "operator.yaml");
  writeFileSync(file, `proof: { baseUri: https://automation.example/proof }\n${yaml}`);
  return readOperator(file);
};

describe("the operator's word on the time of runs", () => {
  it("is a day in the queue, an hour of work and three days of hand-off when it says nothing", () => {
    expect(operatorOf("").runs).toEqual({
      queueLimitSeconds: 86_400,
      workLimitSeconds: 3_600,
      handoffLimitSeconds: 259_200,
      weights: {},
    });
    expect(
      operatorOf("runs: { queueLimit: 60s, timeLimit: 1s, handoffLimit: 2592000s, weights: { acme: 3 } }").runs,
    ).toEqual({
      queueLimitSeconds: 60,
      workLimitSeconds: 1,
      handoffLimitSeconds: 2_592_000,
      weights: { acme: 3 },
    });
  });

  it.each(["0s", "2592001s", "1h", "1.5s", "-1s", "60"])("is refused when it is %s, by its field", (limit) => {
    expect(() => operatorOf(`runs: { timeLimit: "${limit}" }`)).toThrow(`runs.timeLimit "${limit}": must be`);
  });
});

describe("the operator's word on how long things are kept", () => {
  it("is for ever when it says nothing, else days", () => {
    expect(operatorOf("").retention).toEqual({});
    expect(operatorOf("retention: { runEvents: 93d, requests: 400d, deliveries: 30d }").retention).toEqual({
      runEvents: 93,
      requests: 400,
      deliveries: 30,
    });
  });

  it.each([
    ["runEvents", "92d", "must be 93d or more: a run may go on that long"],
    ["requests", "29d", "must be 30d or more: requests are explained from them"],
    ["deliveries", "0d", "must be 30d or more: the bus may bring them again"],
    ["requests", "1y", "must be whole days, for example 400d"],
  ])("is refused for %s of %s, by its rule", (field, value, rule) => {
    expect(() => operatorOf(`retention: { ${field}: ${value} }`)).toThrow(`retention.${field} "${value}": ${rule}`);
  });

  it("is refused for identities, which stay for ever", () => {
    expect(() => operatorOf("retention: { identities: 400d }")).toThrow("retention.identities is no field");
  });
});

describe("the operator's binding of a source", () => {
  const bound = (bus: string) =>
    operatorOf(
      `sources: [{ ${bus} cluster: eu, topic: asks, source: "urn:a", tenants: [acme], orgs: ["*"], types: [asked] }]`,
    ).sources;

  it.each(["kafka", "nats"])("names the bus %s beside cluster and topic", (bus) => {
    expect(bound(`bus: ${bus},`)).toMatchObject([{ bus, cluster: "eu", topic: "asks" }]);
  });

  it.each([
    ["bus: rabbit,", '"rabbit"'],
    ["", "(absent)"],
  ])("is refused with the buses there are when it has %j", (bus, value) => {
    expect(() => bound(bus)).toThrow(`sources.0.bus ${value}: is not a bus that is supported: kafka, nats; correct it`);
  });
});

describe("the operator's word on workspaces", () => {
  it("bounds every step when it says nothing, and lets no tenant in anywhere", () => {
    expect(workspacesOf("")).toEqual({
      isolation: [],
      policy: {
        paths: platformPaths,
        limits: {
          memoryBytes: "2147483648",
          processes: 256,
          outputBytes: "16777216",
          diskBytes: "2147483648",
          stepTime: "600s",
          idleTime: "120s",
          patchBytes: "4194304",
          changedFiles: 500,
        },
      },
      tenants: {},
      repositories: { hosts: [], roots: [] },
    });
  });

  it("can be meant when it says nothing: every path rule of the platform is one", () => {
    expect(() => assertWorkspaceRules(workspacesOf(""))).not.toThrow();
  });

  it("replaces the limits that it names, and the list of denied paths when it gives one", () => {
    const { policy, isolation, tenants } = workspacesOf(`workspaces:
  isolation: [uid]
  policy: { limits: { stepTime: 60s }, paths: { deny: [ci/**] }, commands: { deny: [curl] } }
  tenants: { acme: { commands: { allow: { patterns: [node] } } } }`);
    expect(isolation).toEqual(["ISOLATION_CLASS_UID"]);
    expect(policy).toMatchObject({ limits: { stepTime: "60s", processes: 256 }, paths: { deny: ["ci/**"] } });
    expect(policy.commands).toEqual({ deny: ["curl"] });
    expect(tenants).toEqual({ acme: { commands: { allow: { patterns: ["node"] } } } });
  });

  it("keeps what the platform denies when it only says what may be written", () => {
    const { policy } = workspacesOf("workspaces: { policy: { paths: { write: { patterns: [src/**] } } } }");
    expect(policy.paths).toEqual({ ...platformPaths, write: { patterns: ["src/**"] } });
  });

  it.each([
    ["a class that is none", "isolation: [none]", "workspaces.isolation.0"],
    ["a policy field that is none", "policy: { comands: {} }", "workspaces.policy {"],
    ["a limit below 0", "tenants: { acme: { limits: { processes: -1 } } }", "workspaces.tenants.acme {"],
    ["a relative root", "repositories: { roots: [{ path: src, tenants: [acme] }] }", "roots.0.path"],
    ["a root that climbs", "repositories: { roots: [{ path: /srv/../etc, tenants: [acme] }] }", "roots.0.path"],
    ["the root of everything", "repositories: { roots: [{ path: /, tenants: [acme] }] }", "roots.0.path"],
    ["a host that is a URL", 'repositories: { hosts: ["https://github.com"] }', "hosts.0"],
  ])("refuses %s and names the field", (_, yaml, field) => {
    expect(() => workspacesOf(`workspaces: { ${yaml} }`)).toThrow(field);
  });
});

describe("the operator's word on the api's port", () => {
  it("lets no page call and tells no protos when it says nothing", () => {
    expect(operatorOf("").api).toEqual({ corsOrigins: [], reflection: false });
    const origins = ["https://app.example", "http://localhost:*", "http://[::1]:*", "http://127.0.0.1:5173"];
    expect(operatorOf(`api: { corsOrigins: ${JSON.stringify(origins)} }`).api.corsOrigins).toEqual(origins);
  });

  it.each([
    ...["*", "null", "localhost:3000", "https://app.example/", "https://app.example:443", "https://APP.example"],
    ...["https://*.example", "https://app.example/page", "ftp://app.example", "https://user@app.example", ""],
  ])("can't name the origin '%s'", (origin) => {
    expect(() => operatorOf(`api: { corsOrigins: [${JSON.stringify(origin)}] }`)).toThrow(
      `api.corsOrigins.0 "${origin}": must be an origin`,
    );
  });
});

describe("how long a methodology service may take to answer a call", () => {
  const timeoutOf = (line: string) =>
    methodologiesOf(`methodologies: { scrum: { method: scrum, endpoint: "http://scrum", tokenFile: t${line} } }`).scrum
      ?.tryTimeoutMs;

  it.each([
    ["", 10_000],
    [", tryTimeout: 100ms", 100],
    [", tryTimeout: 1100ms", 1_100],
    [", tryTimeout: 60s", 60_000],
  ])("is read from '%s' as %i ms", (line, ms) => {
    expect(timeoutOf(line)).toBe(ms);
  });

  it.each(["99ms", "61s", "60001ms", "1m", "-1s", "1.5s", "0s", "10", '""'])("can't be %s", (text) => {
    expect(() => timeoutOf(`, tryTimeout: ${text}`)).toThrow("methodologies.scrum.tryTimeout ");
  });
});

it("a receiver of hand-offs names its method, and speaks Connect when it names no protocol", () => {
  const where = 'endpoint: "http://flow", tokenFile: t';
  expect(methodologiesOf(`methodologies: { flow: { method: scrum, ${where} } }`).flow).toEqual({
    method: "scrum",
    protocol: "connect",
    endpoint: "http://flow",
    tokenFile: "t",
    tryTimeoutMs: 10_000,
  });
  expect(methodologiesOf(`methodologies: { flow: { method: scrum, protocol: grpc, ${where} } }`).flow?.protocol).toBe(
    "grpc",
  );
  expect(() => methodologiesOf(`methodologies: { flow: { ${where} } }`)).toThrow(
    "methodologies.flow.method (absent): must name the methodology",
  );
});

describe("a fault in the operator file", () => {
  const flow = (fields: string) => methodologiesOf(`methodologies: { flow: { method: scrum, ${fields} } }`);

  it.each([
    ['endpoint: "http://flow", tokenFile: t, retries: 3', "methodologies.flow.retries is no field that is known here"],
    ["tokenFile: t", "methodologies.flow.endpoint (absent): must be an http or https URL"],
    ["endpoint: ftp://flow, tokenFile: t", 'methodologies.flow.endpoint "ftp://flow": must be an http or https URL'],
    ['endpoint: "http://flow"', "methodologies.flow.tokenFile (absent): must be a string"],
    ['endpoint: "http://flow", tokenFile: t, tryTimeout: 10', "methodologies.flow.tryTimeout 10: must be a string"],
  ])("is told with file, field, value and rule: %s", (fields, fault) => {
    expect(() => flow(fields)).toThrow(`the operator file ${join(dir, "operator.yaml")} is not usable: ${fault}`);
  });

  it("of a file that holds nothing, or a list, is told without a field", () => {
    const file = join(dir, "other.yaml");
    writeFileSync(file, "");
    expect(() => readOperator(file)).toThrow("the document null: must be a mapping of fields; correct it");
  });

  it("that a room finds is told in the same way", () => {
    const find = () => {
      throw new Error('methodologies.flow.method "kanban" is unknown; use one of scrum');
    };
    expect(() => useOperator("op.yaml", find)).toThrow(
      expect.objectContaining({
        code: "unusable_configuration",
        message:
          'the operator file op.yaml is not usable: methodologies.flow.method "kanban" is unknown; use one of scrum; correct it',
      }),
    );
  });
});
