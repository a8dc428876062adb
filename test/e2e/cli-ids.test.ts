import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runIdOf } from "../../src/requests/request-identity.ts";
import type { Ended, RunningStack } from "../support/engines/stack.ts";
import { automation, newStateDir, objects, removeStateDir, startStack } from "../support/engines/stack.ts";

const acme = ["--tenant", "acme", "--org", "retail"];
let stack: RunningStack;
let scratch: string;
let run: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "automation-ids-"));
  stack = await startStack(newStateDir(), "--demo");
  const asked = ["--profile", "scrum-team", "--work-kind", "story"];
  const context = "{scrum: {product: webshop, sprint: S-7, backlogItems: [PBI-70]}}";
  const started = await here("run", "start", ...asked, "--context", context, "--watch", "--json");
  run = objects<{ runId: string }>(started.stdout)[0]?.runId ?? "";
});
afterAll(async () => {
  await stack?.stop();
  if (stack !== undefined) removeStateDir(stack.dir);
  rmSync(scratch, { recursive: true, force: true });
});

const here = (...args: string[]): Promise<Ended> => automation(...args, ...acme, "--state", stack.dir);
const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** Two request ids whose runs have ids that agree in four characters, and in no twelve. */
function requestsThatBeginAlike(): [string, string] {
  const known = new Map<string, string>();
  for (let n = 0; ; n += 1) {
    const eventId = `alike-${n}`;
    const runId = runIdOf({ tenant: "acme", source: `api:${userInfo().username}`, eventId }, 0);
    const other = known.get(runId.slice(0, 4));
    if (other !== undefined) return [other, eventId];
    known.set(runId.slice(0, 4), eventId);
  }
}

describe("an id", () => {
  it("is taken by its first characters, wherever a command takes one", async () => {
    const short = run.slice(0, 8);
    const described = await here("run", "describe", short, "--json");
    expect(objects<{ run: { id: string } }>(described.stdout)).toMatchObject([{ run: { id: run } }]);
    expect(await here("run", "watch", short.toUpperCase())).toMatchObject({ code: 0 });
    for (const command of [
      ["artifact", "list", "--run", short],
      ["attestation", "list", "--run", short],
      ["attestation", "export", "--run", short, "--out", join(scratch, "evidence")],
    ])
      expect(await here(...command)).toMatchObject({ code: 0, stderr: "" });
    const [artifact] = objects<{ id: string; name: string }>(
      (await here("artifact", "list", "--run", short, "--json")).stdout,
    );
    const byId = await here("artifact", "get", artifact?.id.slice(0, 13) ?? "");
    const byName = await here("artifact", "get", "--run", short, artifact?.name ?? "", "--out", "-");
    expect(byId.stdout).toBe(byName.stdout);
    const [attestation] = objects<{ id: string; name: string }>(
      (await here("attestation", "list", "--run", short, "--json")).stdout,
    );
    expect((await here("attestation", "get", attestation?.id.slice(0, 13) ?? "")).stdout).toContain(attestation?.id);
  });

  it("that several begin with is refused with those", async () => {
    const [first, second] = requestsThatBeginAlike();
    const asked = [
      "--profile",
      "scrum-team",
      "--work-kind",
      "story",
      "--context",
      "{scrum: {sprint: S-7, backlogItems: [PBI-71]}}",
    ];
    const start = async (requestId: string) => {
      const { stdout } = await here("run", "start", ...asked, "--request-id", requestId, "--json");
      return objects<{ runId: string }>(stdout)[0]?.runId ?? "";
    };
    const ids = [await start(first), await start(second)];
    const { code, stderr } = await here("run", "cancel", ids[0]?.slice(0, 4) ?? "");
    expect(code).toBe(2);
    expect(stderr).toMatch(/the ids of 2 runs begin with [0-9a-f]{4}; give more of the one you mean\n/);
    for (const id of ids) expect(stderr).toContain(`  ${id}: `);
    expect(await here("run", "describe", ids[1]?.slice(0, 12) ?? "")).toMatchObject({ code: 0 });
  });

  it("that is not known is answered alike by every command", async () => {
    const commands = (id: string) => [
      ["run", "describe", id],
      ["run", "watch", id],
      ["run", "cancel", id],
      ["artifact", "list", "--run", id],
      ["artifact", "get", "--run", id, "changes.patch"],
      ["artifact", "get", id],
      ["attestation", "list", "--run", id],
      ["attestation", "get", id],
      ["attestation", "export", "--run", id, "--out", join(scratch, "none")],
      ["definition", "get", id],
      ["profile", "get", id],
    ];
    const others = ["ffffffff", "nonsense"].map((id) => ["run", "describe", id]);
    for (const command of [...commands(crypto.randomUUID()), ...others]) {
      const { code, stderr } = await here(...command);
      expect({ command, code, stderr }).toEqual({
        command,
        code: 2,
        stderr: expect.stringMatching(
          / "[^"]*" is not known here: it must be the id of .*; `npx automation [a-z]+ list .*` shows/,
        ),
      });
    }
    // an empty one is nobody's: to a list it would mean every run
    expect(await here("attestation", "list", "--run", "")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"" is not known here'),
    });
  });
});

describe("an artifact", () => {
  it("is got by its name, checked, and never over a file that is there", async () => {
    const out = join(scratch, "events.ndjson");
    const got = await here("artifact", "get", "--run", run, "events.ndjson", "--out", out);
    expect(got).toMatchObject({ code: 0, stdout: `${out}  sha256:${sha256(readFileSync(out))}\n` });
    expect(await here("artifact", "get", "--run", run, "events.ndjson", "--out", out)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("exists and is not overwritten"),
    });
    const printed = await here("artifact", "get", "--run", run, "events.ndjson");
    expect(sha256(printed.stdout)).toBe(sha256(readFileSync(out)));
  });

  it("of a name that the run did not leave is refused with the names it left", async () => {
    const { code, stderr } = await here("artifact", "get", "--run", run, "changes.patch");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/left no artifact "changes.patch"; name one of these\n {2}events.ndjson\n/),
    });
  });
});

describe("what is declared", () => {
  beforeAll(async () => {
    const file = join(scratch, "rule.yaml");
    writeFileSync(
      file,
      "kind: WorkflowRule\nspec: { id: route, priority: 5, profileId: nobody, definition: { id: story-repair } }\n",
    );
    expect(await here("apply", "-f", file)).toMatchObject({ code: 0 });
  });

  it.each([
    ["definition", /^DEFINITION +NEWEST +VERSIONS +CHANNELS/, "story-repair"],
    ["profile", /^PROFILE +VERSION +METHOD/, "scrum-team-tested"],
    ["rule", /^RULE +VERSION +PRIORITY +PROFILE +DEFINITION +ORGS/, "story-repair@stable"],
    ["repository", /^REPOSITORY +REF +ORGS +URL/, "webshop"],
    ["key", /^KEY +PURPOSE +FROM +UNTIL/, "verifier"],
  ])("is listed: %s", async (kind, head, one) => {
    const listed = await here(kind, "list");
    expect(listed).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(head) });
    expect(listed.stdout).toContain(one);
    expect(objects((await here(kind, "list", "--json")).stdout).length).toBe(
      listed.stdout.trimEnd().split("\n").length - 1,
    );
  });

  it("names keys as attestations do", async () => {
    const keys = objects<{ keyId: string }>((await here("key", "list", "--json")).stdout).map(({ keyId }) => keyId);
    const signed = objects<{ keyId: string }>((await here("attestation", "list", "--run", run, "--json")).stdout);
    for (const { keyId } of signed) expect(keys).toContain(keyId);
  });

  it.each([
    ["definition", "story-repair"],
    ["definition", "story-repair@1"],
    ["profile", "scrum-team"],
  ])("is shown as `apply` takes it: %s %s", async (kind, name) => {
    const shown = await here(kind, "get", name);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^# sha256:[0-9a-f]{64}\nkind: /) });
    const file = join(scratch, `${kind}-${name}.yaml`);
    writeFileSync(file, shown.stdout);
    expect(await here("apply", "-f", file)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^unchanged/) });
    expect(objects((await here(kind, "get", name, "--json")).stdout)).toHaveLength(1);
  });
});
