import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { personaDigest } from "../../personas/persona-digest.ts";
import { canonicalDigest } from "../../text/canonical-json.ts";
import { CliError } from "../cli-error.ts";
import { readRunExport } from "./run-export.ts";

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "automation-export-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const event = (sequence: number) => ({
  ...{ runId: "r-1", writerKey: `w/${sequence}`, at: "2026-01-31T12:00:00Z", context: {}, prevHash: "0".repeat(64) },
  sequence: String(sequence),
});
const bundle = Buffer.from("a bundle");
const digest = personaDigest(bundle);
const plan = { timeLimit: "60s", steps: [{ id: "fix", agent: { persona: { id: "fixer" } } }] };
const profile = {
  id: "team",
  version: "1",
  method: "scrum",
  gates: [{ id: "done", requirements: [{ id: "ran", kind: "agent-run", remedy: "Ask again." }] }],
  completionGate: "done",
};
const repository = { id: "shop", url: "https://git.example/shop", defaultRef: "main" };
const whole = {
  version: 1,
  described: {
    run: {
      id: "r-1",
      tenant: "acme",
      definitionId: "repair",
      definitionVersion: "1",
      definitionDigest: canonicalDigest(plan),
      profileDigest: canonicalDigest(profile),
      lastSequence: "2",
      pins: {
        repository: { id: "shop", url: repository.url, ref: "main" },
        personas: [{ stepId: "fix", id: "fixer", version: "1", digest }],
      },
    },
    request: { profile: { id: "team" }, context: { scrum: { sprint: "S-7" } } },
  },
  delivery: { runId: "r-1" },
  definition: { definitionId: "repair", version: "1", plan },
  profile: { profile },
  repository,
  personas: [{ digest, bundle: bundle.toString("base64") }],
  events: [event(1), event(2)],
};

function faultsOf(text: string): string {
  const file = join(folder, "run.json");
  writeFileSync(file, text);
  try {
    readRunExport(file);
  } catch (error) {
    if (error instanceof CliError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "";
}

describe("an export", () => {
  it("is read when it is whole", () => {
    expect(faultsOf(JSON.stringify(whole))).toBe("");
  });

  it.each([
    ["no JSON", "{", /not_json .*run.json is not JSON.*export the run again/],
    ["a list", "[]", /other_version .*version \(absent\)/],
    [
      "another version",
      JSON.stringify({ ...whole, version: 2 }),
      /other_version .*version 2: .*of version 1.*export the run again/,
    ],
  ])("is refused: %s", (_, text, fault) => {
    expect(faultsOf(text)).toMatch(fault);
  });

  it.each([
    ["an unknown field", { more: 1 }, /more/],
    ["a field of another kind", { events: "none" }, /events/],
    ["a missing part", { definition: undefined }, /definition/],
    ["another plan", { definition: { ...whole.definition, plan: {} } }, /definition.plan .*digest that the run pinned/],
    [
      "another profile",
      { profile: { profile: { ...profile, version: "2" } } },
      /profile.profile .*digest that the run pinned/,
    ],
    [
      "another repository",
      { repository: { ...repository, url: "https://git.example/other" } },
      /repository.url .*git.example\/other/,
    ],
    ["another bundle", { personas: [{ digest, bundle: "eA==" }] }, /personas.0.bundle .*has the sha256/],
    ["no bundle", { personas: [] }, /personas .*\(absent\).*bundle of fixer that the run pinned/],
    ["a gap", { events: [event(2), event(3)] }, /events .*no gap/],
    ["too few events", { events: [event(1)] }, /events.length .*1/],
    ["the delivery of another run", { delivery: { runId: "r-2" } }, /delivery.runId .*r-2/],
  ])("is refused by the name of the field: %s", (_, change, fault) => {
    const told = faultsOf(JSON.stringify({ ...whole, ...change }));
    expect(told).toMatch(fault);
    expect(told).toMatch(/nothing was declared/);
  });
});
