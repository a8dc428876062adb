import { fromJson, toJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { PolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import { EffectivePolicySchema } from "../../gen/automation/v1/policy_pb.ts";
import { canonicalDigest } from "../../text/canonical-json.ts";
import { judgeCommand, pathAllowance } from "./judge-policy.ts";
import type { PolicyLayer } from "./policy-layers.ts";
import { chooseIsolation, compilePolicy } from "./policy-layers.ts";

const platform: PolicyLayer = {
  layer: "platform",
  policy: {
    limits: {
      memoryBytes: "1000",
      processes: 100,
      outputBytes: "1000",
      diskBytes: "1000",
      stepTime: "600s",
      idleTime: "60s",
      patchBytes: "1000",
      changedFiles: 100,
    },
  },
};
const layer = (name: string, policy: PolicyJson): PolicyLayer => ({ layer: name, policy });
const compiled = (...policies: PolicyJson[]) =>
  compilePolicy([platform, ...policies.map((policy, index) => layer(`layer-${index}`, policy))]);

describe("the policy of several layers", () => {
  it("has no opinion where none speaks, and allows nothing where one gives an empty list", () => {
    expect(judgeCommand(compiled({}), ["rm", "-rf", "."])).toBeUndefined();
    const nothing = compiled({ commands: { allow: {} }, paths: { write: { patterns: [] } } });
    expect(judgeCommand(nothing, ["ls"])).toEqual({ layer: "layer-0", rule: "nothing", kind: "allow" });
    expect(pathAllowance(nothing)("a")).toEqual({ layer: "layer-0", rule: "nothing", kind: "allow" });
  });

  it("allows what every layer that speaks allows, and names the one that does not", () => {
    const policy = compiled(
      { paths: { write: { patterns: ["src/**", "docs/**"] } } },
      { paths: { write: { patterns: ["src/**"] } } },
    );
    expect(pathAllowance(policy)("src/a.ts")).toBeUndefined();
    expect(pathAllowance(policy)("docs/a.md")).toEqual({ layer: "layer-1", rule: "src/**", kind: "allow" });
    expect(pathAllowance(policy)("a.md")).toEqual({ layer: "layer-0", rule: "src/**, docs/**", kind: "allow" });
  });

  it("denies what one layer denies, whatever another allows, and names layer and pattern", () => {
    const policy = compiled(
      { commands: { allow: { patterns: ["*"] }, deny: ["rm", "curl"] } },
      { commands: { deny: ["git push"] } },
    );
    expect(judgeCommand(policy, ["git", "status"])).toBeUndefined();
    expect(judgeCommand(policy, ["git", "push", "-f"])).toEqual({ layer: "layer-1", rule: "git push", kind: "deny" });
    expect(judgeCommand(policy, ["curl"])).toEqual({ layer: "layer-0", rule: "curl", kind: "deny" });
  });

  it("takes the least of each number; 0 and nothing are no opinion", () => {
    const { limits } = compiled(
      { limits: { processes: 5, stepTime: "1.5s" } },
      { limits: { processes: 0, memoryBytes: "2000", stepTime: "2s" } },
    );
    expect(limits).toMatchObject({
      processes: 5,
      memoryBytes: "1000",
      stepTime: "1.500s",
      idleTime: "60s",
      changedFiles: 100,
    });
  });

  it("demands the strongest isolation that any layer demands", () => {
    const userns = { ...layer("plan", {}), isolation: "ISOLATION_CLASS_USERNS" } as const;
    const uid = { ...layer("persona/fixer", {}), isolation: "ISOLATION_CLASS_UID" } as const;
    expect(compilePolicy([platform]).isolation).toBeUndefined();
    expect(compilePolicy([platform, userns]).isolation).toBe("ISOLATION_CLASS_USERNS");
    expect(compilePolicy([platform, uid, userns]).isolation).toBe("ISOLATION_CLASS_UID");
  });

  it("has one digest, however its layers were written", () => {
    const one = compiled({ commands: { deny: ["rm"], allow: { patterns: ["*"] } }, limits: { stepTime: "60s" } });
    const same = compiled({
      limits: { stepTime: "60.000s", processes: 0 },
      commands: { allow: { patterns: ["*"] }, deny: ["rm"] },
      paths: { deny: [] },
    });
    expect(canonicalDigest(same)).toBe(canonicalDigest(one));
    expect(canonicalDigest(compiled({ commands: { deny: ["rm"] } }))).not.toBe(canonicalDigest(one));
  });

  it("has the same digest after it was a message", () => {
    const policy = compiled({ commands: { allow: {} }, paths: { deny: ["a"] } });
    const read = toJson(EffectivePolicySchema, fromJson(EffectivePolicySchema, policy));
    expect(canonicalDigest(read)).toBe(canonicalDigest(policy));
  });

  it("never allows more for a further layer, and holds every limit at least as tight", () => {
    const random = createRandom(7);
    for (let round = 0; round < 500; round += 1) {
      const policies = Array.from({ length: random(4) }, () => aPolicy(random));
      const fewer = compiled(...policies);
      const more = compiled(...policies, aPolicy(random));
      for (const argv of commands)
        if (judgeCommand(fewer, argv) !== undefined) expect(judgeCommand(more, argv)).toBeDefined();
      for (const path of paths)
        if (pathAllowance(fewer)(path) !== undefined) expect(pathAllowance(more)(path)).toBeDefined();
      expect(more.pathDeny).toEqual(expect.arrayContaining([...(fewer.pathDeny ?? [])]));
      expect(more.limits?.processes).toBeLessThanOrEqual(fewer.limits?.processes ?? 0);
      expect(Number(more.limits?.memoryBytes)).toBeLessThanOrEqual(Number(fewer.limits?.memoryBytes));
      expect(Number.parseFloat(more.limits?.stepTime ?? "")).toBeLessThanOrEqual(
        Number.parseFloat(fewer.limits?.stepTime ?? ""),
      );
    }
  });
});

it("chooses the weakest offered class that is strong enough", () => {
  const both = ["ISOLATION_CLASS_UID", "ISOLATION_CLASS_USERNS"] as const;
  expect(chooseIsolation(both, "ISOLATION_CLASS_UNSPECIFIED")).toBe("ISOLATION_CLASS_USERNS");
  expect(chooseIsolation(both, "ISOLATION_CLASS_UID")).toBe("ISOLATION_CLASS_UID");
  expect(chooseIsolation(["ISOLATION_CLASS_UID"], "ISOLATION_CLASS_USERNS")).toBe("ISOLATION_CLASS_UID");
  expect(chooseIsolation(["ISOLATION_CLASS_USERNS"], "ISOLATION_CLASS_UID")).toBeUndefined();
  expect(chooseIsolation([], "ISOLATION_CLASS_UNSPECIFIED")).toBeUndefined();
});

const commands = [["node"], ["node", "--test"], ["rm", "-rf"], ["git", "push"]];
const paths = ["src/a.ts", "src/deep/a.ts", "test/a.test.ts", "README.md", ".env"];

function aPolicy(random: (below: number) => number): PolicyJson {
  const some = (all: readonly string[]) => all.filter(() => random(3) === 0);
  const commandPatterns = ["node", "node --test", "*", "git *", "rm"];
  const pathPatterns = ["**", "src/**", "**/*.ts", "*", "test/**"];
  return {
    commands: {
      ...(random(2) === 0 ? {} : { allow: { patterns: some(commandPatterns) } }),
      deny: some(commandPatterns),
    },
    paths: { ...(random(2) === 0 ? {} : { write: { patterns: some(pathPatterns) } }), deny: some(pathPatterns) },
    limits: { processes: random(200), memoryBytes: String(random(2_000)), stepTime: `${random(900)}s` },
  };
}

/** Numbers that are the same in every run of the test. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}
