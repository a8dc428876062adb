import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { DescribeWorkflowRunResponseJson } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Ended, RunningStack } from "../support/engines/stack.ts";
import {
  automation,
  brokersOf,
  newStateDir,
  objects,
  removeStateDir,
  shell,
  startStack,
} from "../support/engines/stack.ts";

const acme = ["--tenant", "acme", "--org", "retail"];
const asked = [
  "--profile",
  "scrum-team",
  "--context",
  "{scrum: {product: webshop, sprint: S-7, backlogItems: [PBI-50]}}",
];
const sample = JSON.parse(readFileSync("examples/demo/event.json", "utf8"));
let stack: RunningStack;
let scratch: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "automation-cli-"));
  stack = await startStack(newStateDir(), "--demo");
});
afterAll(async () => {
  await stack?.stop();
  if (stack !== undefined) removeStateDir(stack.dir);
  rmSync(scratch, { recursive: true, force: true });
});

const here = (...args: string[]): Promise<Ended> => automation(...args, ...acme, "--state", stack.dir);
function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

describe("an event published on the command line", () => {
  const publish = (...more: string[]) => here("event", "publish", "-f", "examples/demo/event.json", "--watch", ...more);

  it("has its run watched to the end", async () => {
    const published = await publish("--id", "probe-1", "--json");
    expect({ code: published.code, stderr: published.stderr }).toEqual({ code: 0, stderr: "" });
    const events = objects<{ status?: { status: string } }>(published.stdout);
    expect(events.at(-1)?.status?.status).toBe("RUN_STATUS_COMPLETED");
  });

  it("that asks for no run says why, and fails", async () => {
    const event = file(
      "unknown-profile.json",
      JSON.stringify({ ...sample, data: { ...sample.data, profile: { id: "nobody" } } }),
    );
    const published = await publish("--file", event, "--id", "probe-2");
    expect(published.code).toBe(1);
    expect(published.stderr).toMatch(/event probe-2 is rejected: .*nobody/);
  });
});

describe("a run asked for on the command line", () => {
  it("is watched to its end, and described with verdict and hand-offs", async () => {
    const started = await here("run", "start", ...asked, "--work-kind", "story", "--watch", "--json");
    expect({ code: started.code, stderr: started.stderr }).toEqual({ code: 0, stderr: "" });
    const [answer, ...events] = objects<{ runId: string; sequence: string; status?: { status: string } }>(
      started.stdout,
    );
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
    expect(events.at(-1)?.status?.status).toBe("RUN_STATUS_COMPLETED");
    const described = await here("run", "describe", answer?.runId ?? "", "--json");
    const [run] = objects<DescribeWorkflowRunResponseJson>(described.stdout);
    expect(run?.verdict?.passed).toBe(true);
    expect(run?.handoffCalls?.map(({ rpc }) => rpc)).toContain("RecordItemDone");
    const again = await here("run", "watch", answer?.runId ?? "", "--after", "2", "--json");
    expect(objects<{ sequence: string }>(again.stdout).map(({ sequence }) => sequence)[0]).toBe("3");
  });

  it("is one run for one request id, and a conflict for another payload", async () => {
    const start = (...more: string[]) =>
      here("run", "start", ...asked, "--work-kind", "story", "--request-id", "cli-1", "--json", ...more);
    const [first, second] = [await start(), await start()].map(({ stdout }) => objects<{ runId: string }>(stdout)[0]);
    expect(second?.runId).toBe(first?.runId);
    const other = await start("--goal", "something else");
    expect(other.code).toBe(1);
    expect(other.stderr).toContain("cli-1");
  });

  it("can come from a file", async () => {
    const request = `
profile: { id: scrum-team }
workKind: story
context: { scrum: { product: webshop, sprint: S-7, backlogItems: [PBI-51] } }
`;
    const started = await here("run", "start", "-f", file("request.yaml", request), "--watch");
    expect({ code: started.code, stderr: started.stderr }).toEqual({ code: 0, stderr: "" });
    expect(started.stdout).toMatch(/COMPLETED\n$/);
    const listed = await here("run", "list", "--ref", "backlog_item:PBI-51", "--json");
    expect(objects(listed.stdout)).toHaveLength(1);
  });

  it("is refused before it is a run, with every reason at once", async () => {
    const { code, stderr } = await here(
      "run",
      "start",
      "--profile",
      "scrum-team",
      "--work-kind",
      "story",
      "--context",
      "{scrum: {}}",
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/sprint/);
    expect(stderr).toMatch(/backlog_item/);
  });

  it("that does not complete makes watch exit 1", async () => {
    const stricter = asked.map((word) => (word === "scrum-team" ? "scrum-team-tested" : word));
    const untested = [...stricter, "--definition", "increment-evidence", "--work-kind", "story"];
    const { code, stdout } = await here("run", "start", ...untested, "--watch");
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ tests-passed: missing/);
    expect(stdout).toMatch(/FAILED/);
  });

  it("can't be cancelled once it has ended", async () => {
    const listed = await here("run", "list", "--status", "COMPLETED", "--limit", "1", "--json");
    const [run] = objects<{ id: string }>(listed.stdout);
    const { code, stderr } = await here("run", "cancel", run?.id ?? "", "--reason", "too late");
    expect(code).toBe(1);
    expect(stderr).toMatch(/COMPLETED/);
  });
});

it("shows that nothing waits, and nothing is held up, when all runs have ended", async () => {
  const look = async () => expect(await here("queue")).toMatchObject({ code: 0, stdout: "", stderr: "none\n" });
  await vi.waitFor(look, { timeout: 60_000, interval: 500 });
  expect(objects((await here("queue", "--json")).stdout)).toEqual([{}]);
});

describe("logs", () => {
  const logs = (...args: string[]) => automation("logs", ...args, "--state", stack.dir);

  it("tell what processes and engines wrote, as JSON or for people, of those that are named", async () => {
    const all = objects<{ process?: string; name?: string }>((await logs("--json", "--lines", "100000")).stdout);
    const writers = new Set(all.map(({ process, name }) => process ?? name));
    for (const writer of ["api", "worker-control", "scrum", "postgres", "temporal"]) expect(writers).toContain(writer);
    const { stdout } = await logs("api", "--lines", "2");
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .filter((line) => /^\d\d:\d\d:\d\d\.\d{3} {2}api /.test(line)),
    ).toHaveLength(2);
    expect(await logs("api", "--since", "2099-01-01T00:00:00Z")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "none\n",
    });
  });
});

describe("apply", () => {
  const profile = (remedy: string, version = "1") => `
kind: MethodologyProfile
spec:
  id: cli-profile
  version: "${version}"
  method: scrum
  gates: [{ id: done, requirements: [{ id: run-completed, kind: agent-run, remedy: ${remedy} }] }]
  completionGate: done
`;
  const rule = (priority: number) => `
kind: WorkflowRule
spec: { id: cli-rule, priority: ${priority}, profileId: cli-profile, definition: { id: increment-evidence, channel: stable } }
`;

  it("says of each document whether it was created, unchanged, replaced or in conflict", async () => {
    const apply = async (...documents: string[]) => {
      const { code, stdout } = await here("apply", "-f", file("declared.yaml", documents.join("---")), "--json");
      return { code, outcomes: objects<{ outcome: string }>(stdout).map(({ outcome }) => outcome) };
    };
    expect(await apply(profile("Ask again."), rule(5))).toEqual({ code: 0, outcomes: ["created", "created"] });
    expect(await apply(profile("Ask again."), rule(5))).toEqual({ code: 0, outcomes: ["unchanged", "unchanged"] });
    expect(await apply(profile("Other."), rule(6))).toEqual({ code: 1, outcomes: ["conflict", "replaced"] });
  });

  it("reads several files, and standard input", async () => {
    const first = file("first.yaml", profile("Ask again.", "4"));
    const { code, stdout } = await shell(
      `printf '%s' "$(cat ${file("second.yaml", rule(7))})" | ./automation apply -f ${first} -f - ${[...acme, "--state", stack.dir].join(" ")}`,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^created {4}MethodologyProfile cli-profile@4\nreplaced {3}WorkflowRule cli-rule\n$/);
  });

  it("sends nothing when one of its documents is bad", async () => {
    const bad = [profile("Ask again.", "2"), profile("Ask again.", "3").replace("scrum", "SCRUM")].join("---");
    const { code, stderr } = await here("apply", "-f", file("bad.yaml", bad));
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.yaml:\d+: spec\.method "SCRUM": does not match/);
    const good = await here("apply", "-f", file("good.yaml", profile("Ask again.", "2")), "--json");
    expect(objects<{ outcome: string }>(good.stdout)).toMatchObject([{ outcome: "created" }]);
  });
});

describe("with --json a failure is one JSON object on standard error", () => {
  it.each<[string, object, string[]]>([
    ["of an answer of the api", { code: "not_found", exit: 2 }, ["artifact", "get", "nope"]],
    ["of what was typed", { code: "usage", exit: 2 }, ["run", "list", "--limit", "x"]],
    ["of what is missing", { code: "usage", exit: 2, details: [{ field: "--run" }] }, ["artifact", "list"]],
    [
      "of a refused request, with every reason",
      {
        code: "failed_precondition",
        exit: 1,
        details: expect.arrayContaining([expect.objectContaining({ code: "no_definition" })]),
      },
      ["run", "start", ...asked],
    ],
    ["of an address of somebody else", { code: "not_the_api", exit: 3 }, ["run", "list", "--token", "x", "--api-url"]],
  ])("%s", async (_, failure, words) => {
    const more =
      words.at(-1) === "--api-url"
        ? [
            brokersOf(stack.state)
              .map((broker) => `http://${broker}`)
              .join(),
          ]
        : [];
    const { code, stdout, stderr } = await here(...words, ...more, "--json");
    const said = objects<{ exit: number; message: string }>(stderr);
    expect(said).toMatchObject([failure]);
    expect(said[0]?.message).not.toBe("");
    expect({ code, stdout }).toEqual({ code: said[0]?.exit, stdout: "" });
  });
});

it("tells which of two options a request lacks", async () => {
  const { stderr } = await here("run", "start", ...asked);
  expect(stderr).toMatch(/give --definition ID, or --work-kind KIND/);
});

it("ends quietly when its reader goes away, and in one line when the disk is full", async () => {
  const list = `./automation request list ${[...acme, "--state", stack.dir].join(" ")}`;
  expect(await shell(`${list} | head -c 1`)).toMatchObject({ code: 0, stderr: "" });
  const full = await shell(`${list} > /dev/full`);
  expect(full).toMatchObject({ code: 1, stderr: expect.stringMatching(/^automation: .*no space is left.*\n$/) });
});

describe("an exit code says what went wrong", () => {
  const state = () => ["--state", stack.dir];
  it.each<[string, number, RegExp, () => Promise<Ended>]>([
    ["no tenant", 2, /--tenant is required/, () => automation("run", "list", "--org", "retail", ...state())],
    ["an option that is not known", 2, /unknown option/, () => here("run", "list", "--colour")],
    ["a status that is not known", 2, /COMPLETED/, () => here("run", "list", "--status", "DONE")],
    ["a reference of another form", 2, /KIND:ID/, () => here("graph", "list", "--ref", "S-7")],
    ["a run that is not known", 2, /automation run list/, () => here("run", "describe", crypto.randomUUID())],
    ["an attestation that is not known", 2, /not/, () => here("attestation", "get", crypto.randomUUID())],
    ["a bad token", 4, /token/i, () => here("run", "list", "--token", "x.y.z")],
    [
      "a role that may not",
      4,
      /role|permission/i,
      async () => {
        const token = await here("token", "--role", "viewer", "--subject", "v");
        return here("run", "start", ...asked, "--token", token.stdout.trim());
      },
    ],
    [
      "a tenant that the token does not speak for",
      4,
      /tenant/,
      async () => {
        const token = await here("token", "--role", "viewer", "--subject", "v");
        const foreign = ["--tenant", "globex", "--org", "retail", "--token", token.stdout.trim()];
        return automation("run", "list", ...foreign, ...state());
      },
    ],
    [
      "an api that does not answer",
      3,
      /does not answer/,
      () => here("run", "list", "--api-url", "http://127.0.0.1:9", "--token", "x"),
    ],
    ["no stack", 3, /automation up/, () => automation("run", "list", ...acme, "--state", scratch)],
    [
      "brokers that do not answer",
      3,
      /was not published/,
      () => here("event", "publish", "-f", "examples/demo/event.json", "--brokers", "127.0.0.1:9"),
    ],
    [
      "an event for another tenant than the command's",
      2,
      /tenantid "acme"/,
      () => automation("event", "publish", "-f", "examples/demo/event.json", "--tenant", "globex", "--org", "retail"),
    ],
  ])("%s", async (_, code, message, run) => {
    const ended = await run();
    expect(ended.stderr).toMatch(message);
    expect(ended.code).toBe(code);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
  });
});
