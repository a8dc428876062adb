import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readOperator } from "./operator.ts";

const dir = mkdtempSync(join(tmpdir(), "operator-"));
afterAll(() => rmSync(dir, { recursive: true }));

const workspacesOf = (yaml: string) => {
  const file = join(dir, "operator.yaml");
  writeFileSync(file, `proof: { baseUri: https://automation.example/proof }\n${yaml}`);
  return readOperator(file).workspaces;
};

describe("the operator's word on workspaces", () => {
  it("bounds every step when it says nothing, and lets no tenant in anywhere", () => {
    expect(workspacesOf("")).toEqual({
      isolation: [],
      policy: {
        paths: { deny: [".git/**", ".gitmodules", ".github/workflows/**"] },
        limits: {
          ...{ memoryBytes: "2147483648", processes: 256, outputBytes: "16777216", diskBytes: "2147483648" },
          ...{ stepTime: "600s", idleTime: "120s", patchBytes: "4194304", changedFiles: 500 },
        },
      },
      tenants: {},
      repositories: { hosts: [], roots: [] },
    });
  });

  it("replaces the limits that it names, and the paths when it names any", () => {
    const { policy, isolation, tenants } = workspacesOf(`workspaces:
  isolation: [uid]
  policy: { limits: { stepTime: 60s }, paths: { deny: [ci/**] }, commands: { deny: [curl] } }
  tenants: { acme: { commands: { allow: { patterns: [node] } } } }`);
    expect(isolation).toEqual(["ISOLATION_CLASS_UID"]);
    expect(policy).toMatchObject({ limits: { stepTime: "60s", processes: 256 }, paths: { deny: ["ci/**"] } });
    expect(policy.commands).toEqual({ deny: ["curl"] });
    expect(tenants).toEqual({ acme: { commands: { allow: { patterns: ["node"] } } } });
  });

  it.each([
    ["a class that is none", "isolation: [none]", "workspaces.isolation.0"],
    ["a policy field that is none", "policy: { comands: {} }", "workspaces.policy: "],
    ["a limit below 0", "tenants: { acme: { limits: { processes: -1 } } }", "workspaces.tenants.acme: "],
    ["a relative root", "repositories: { roots: [{ path: src, tenants: [acme] }] }", "roots.0.path"],
    ["a root that climbs", "repositories: { roots: [{ path: /srv/../etc, tenants: [acme] }] }", "roots.0.path"],
    ["the root of everything", "repositories: { roots: [{ path: /, tenants: [acme] }] }", "roots.0.path"],
    ["a host that is a URL", 'repositories: { hosts: ["https://github.com"] }', "hosts.0"],
  ])("refuses %s and names the field", (_, yaml, field) => {
    expect(() => workspacesOf(`workspaces: { ${yaml} }`)).toThrow(field);
  });
});
