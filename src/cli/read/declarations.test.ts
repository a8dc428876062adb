import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApiClient } from "../../client/api-client.ts";
import { cloneDir } from "../clone.ts";
import { applyDeclarations, readDeclarations } from "./declarations.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "automation-declarations-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function written(text: string): string {
  const file = join(dir, "declared.yaml");
  writeFileSync(file, text);
  return file;
}

const profile = `
kind: MethodologyProfile
spec:
  id: scrum-team
  version: "1"
  method: scrum
  completionGate: definition_of_done
  gates:
    - id: definition_of_done
      requirements:
        - id: run-completed
          kind: agent-run
          remedy: Ask again.
`;

describe("a declaration", () => {
  it("is sent after those that it may name, whatever the order in its file", () => {
    const rule = "kind: WorkflowRule\nspec: {id: stories, profileId: scrum-team, definition: {id: evidence}}";
    const definition = 'kind: WorkflowDefinition\nspec: {definitionId: evidence, version: "1", plan: {}}';
    const repository = "kind: Repository\nspec: {id: shop, url: https://github.com/acme/shop, defaultRef: main}";
    const read = readDeclarations(written([rule, profile, definition, repository].join("\n---\n")));
    expect(read.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "Repository shop",
      "WorkflowDefinition evidence@1",
      "MethodologyProfile scrum-team@1",
      "WorkflowRule stories",
    ]);
  });

  it.each([
    [
      "an unknown field",
      profile.replace("version:", "verzion:"),
      ':5: spec.verzion "1": Profile has no such field; use one of id, version, method',
    ],
    [
      "a number where a text belongs",
      profile.replace('"1"', "1"),
      ":5: spec.version 1: expected string, got 1; put it in quotes",
    ],
    [
      "an unknown name",
      profile.concat("  handoff: { receiver: scrum, onRefusal: FAIL }"),
      ':14: spec.handoff.onRefusal "FAIL": must be a RefusalPolicy; use one of REFUSAL_POLICY_FAIL',
    ],
    [
      "a fault deep inside",
      profile.replace("agent-run", "Agent Run"),
      ':12: spec.gates[0].requirements[0].kind "Agent Run": does not match regex pattern',
    ],
    [
      "a missing field",
      profile.replace("remedy: Ask again.", ""),
      ":11: spec.gates[0].requirements[0].remedy (absent): must be at least 1 characters",
    ],
    [
      "an unknown kind",
      "kind: Profile\nspec: {}",
      ':1: kind "Profile": must be a kind that can be declared; use one of Repository, WorkflowDefinition',
    ],
    ["no spec", "kind: WorkflowRule", ":1: spec (absent): holds a WorkflowRule; add it"],
    ["a stray field", `${profile}id: scrum-team`, ':14: id "scrum-team": a document has kind and spec only'],
    ["text that is no YAML", "kind: [", ":1:8: Flow sequence in block collection must be"],
    ["no document at all", "# nothing\n", "holds no document; add one with kind and spec"],
  ])("with %s is refused with file, line, field, value, rule and remedy", (_, text, expected) => {
    const file = written(text);
    expect(() => readDeclarations(file)).toThrow(expected.startsWith(":") ? `${file}${expected}` : expected);
  });

  it("is refused together with every other fault, all in one answer", () => {
    const file = written(
      [profile.replace('"1"', "1"), profile.replace("method: scrum", "method: SCRUM")].join("\n---\n"),
    );
    expect(() => readDeclarations(file)).toThrow(/spec\.version 1: .*\n.*spec\.method "SCRUM"/);
  });

  it("of the demo is right", () => {
    const read = readDeclarations(join(cloneDir, "examples", "demo", "declarations"));
    expect(read.map(({ name }) => name)).toEqual([
      "increment-evidence@1",
      "story-repair-careless@1",
      "story-repair@1",
      "scrum-team-tested@3",
      "scrum-team@1",
    ]);
  });
});

it.each([
  ["what it says", 400, "invalid_argument", { exitCode: 2 }],
  ["a receiver that is not there", 412, "failed_precondition", { exitCode: 1 }],
])("is named with file, line, kind and name when the api refuses it for %s", async (_, status, code, expected) => {
  const server = createServer((_, answer) => {
    answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ code, message: "wrong" }));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const api = createApiClient({ apiUrl, token: () => "x", tenant: "acme", org: "retail" });
    const file = written(profile);
    const sent = applyDeclarations(api, readDeclarations(file)).next();
    await expect(sent).rejects.toMatchObject({
      ...expected,
      code,
      fault: "the api refuses MethodologyProfile scrum-team@1",
      details: [{ file, line: 2, rule: "wrong" }],
    });
  } finally {
    server.close();
  }
});
