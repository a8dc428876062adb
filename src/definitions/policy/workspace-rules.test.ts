import { expect, it } from "vitest";
import type { WorkspaceRules } from "./workspace-rules.ts";
import { assertWorkspaceRules, operatorLayers } from "./workspace-rules.ts";

const rules: WorkspaceRules = {
  isolation: [],
  policy: {
    limits: {
      memoryBytes: "1",
      processes: 1,
      outputBytes: "1",
      diskBytes: "1",
      stepTime: "60s",
      idleTime: "60s",
      patchBytes: "1",
      changedFiles: 1,
    },
  },
  tenants: { acme: { commands: { deny: ["rm"] } } },
};

it("gives a tenant the platform's layer, then its own", () => {
  const platform = { layer: "platform", policy: rules.policy };
  expect(operatorLayers(rules, "acme")).toEqual([platform, { layer: "tenant", policy: rules.tenants.acme }]);
  for (const stranger of ["other", "constructor"]) expect(operatorLayers(rules, stranger)).toEqual([platform]);
});

it("takes rules that can be meant", () => {
  expect(() => assertWorkspaceRules(rules)).not.toThrow();
});

it("names each bound that the platform lacks and each pattern that would match nothing", () => {
  const { idleTime: _, ...limits } = rules.policy.limits ?? {};
  const policy = { limits: { ...limits, processes: 0 } };
  expect(() => assertWorkspaceRules({ ...rules, policy })).toThrow(
    /policy\.limits\.processes must be.*policy\.limits\.idleTime must be/,
  );
  const tenants = { acme: { paths: { deny: ["/etc"] } } };
  expect(() => assertWorkspaceRules({ ...rules, tenants })).toThrow(
    /tenants\.acme\.paths\.deny\.0 "\/etc" is absolute/,
  );
});
