import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiClient, RunningApi } from "../support/worlds/api.ts";
import { declare, startApi, startRun } from "../support/worlds/api.ts";

let api: RunningApi;
let acme: ApiClient;
let theirRun: string;

beforeAll(async () => {
  api = await startApi();
  acme = await api.clientOf({ tenant: "acme" });
  const globex = await api.clientOf({ tenant: "globex" });
  for (const client of [acme, globex]) await declare(client);
  theirRun = await startRun(globex);
});
afterAll(() => api?.stop());

const runList = "the id of a run of this tenant and org; `automation run list` shows them";
const ofRun = [`run_id`, runList] as const;
const attestationList =
  "the id of a registered attestation of this tenant and org; `automation attestation list` shows them";
const artifactList =
  "the id of an artifact of this tenant and org; `automation artifact list --run RUN` shows those of a run";
const definitionList =
  "the id of a definition of this tenant, and a version or channel of it; `automation definition list` shows them";
const profileList = "the id of a profile of this tenant, and a version of it; `automation profile list` shows them";

/** Every way to name one thing, with the field that the answer names and the rest of it. */
const ways: readonly (readonly [string, field: string, rest: string, (id: string) => Promise<unknown>])[] = [
  ["DescribeWorkflowRun", ...ofRun, (runId) => acme.workflows.describeWorkflowRun({ runId })],
  ["CancelWorkflowRun", ...ofRun, (runId) => acme.workflows.cancelWorkflowRun({ runId })],
  ["WatchWorkflowRun", ...ofRun, async (runId) => (await firstOf(acme.workflows.watchWorkflowRun({ runId }))) ?? ""],
  ["ListArtifacts", ...ofRun, (runId) => acme.artifacts.listArtifacts({ runId })],
  ["GetArtifactUrl", "artifact_id", artifactList, (artifactId) => acme.artifacts.getArtifactUrl({ artifactId })],
  ["GetAttestation", "id", attestationList, (id) => acme.governance.getAttestation({ id })],
  [
    "GetWorkflowVersion",
    "definition",
    definitionList,
    (id) => acme.workflows.getWorkflowVersion({ definition: { id, selector: { case: "version", value: "1" } } }),
  ],
  ["GetProfile", "profile", profileList, (id) => acme.profiles.getProfile({ id, version: "" })],
];

async function firstOf(messages: AsyncIterable<unknown>): Promise<unknown> {
  for await (const message of messages) return message;
  return undefined;
}

const errorOf = (asked: Promise<unknown>) =>
  asked.then(
    () => "answered",
    (error) => ConnectError.from(error),
  );

describe.each(ways)("%s", (_, field, rest, ask) => {
  it.each([
    ["no UUID", () => "no uuid"],
    ["empty", () => ""],
    ["made up", () => crypto.randomUUID()],
    ["another tenant's", () => theirRun],
    ["very long", () => "a".repeat(100_000)],
    ["what a terminal would act on", () => "\u001b[2J"],
  ])("tells an id that it does not know by field, id, rule and remedy: %s", async (_shape, make) => {
    const error = await errorOf(ask(make()));
    expect(error).toMatchObject({ code: Code.NotFound });
    const [, named = "", id = "", told = ""] =
      /^(\w+) "(.*)" is not known here: it must be (.*)$/.exec((error as ConnectError).rawMessage) ?? [];
    expect([named, told]).toEqual([field, rest]);
    expect(id.length).toBeLessThanOrEqual(110);
  });
});

it("lists no versions of a persona that is not known", async () => {
  for (const personaId of ["nobody", "a".repeat(100_000)])
    expect(await errorOf(acme.agents.listPersonas({ personaId }))).toMatchObject({
      code: Code.NotFound,
      rawMessage: expect.stringMatching(
        /^persona_id ".{1,110}" is not known here: it must be the id of a persona of this tenant; `automation persona list` shows them$/,
      ),
    });
});

it("lists no attestations of a run that is not known, as another call would tell it", async () => {
  for (const runId of ["no uuid", crypto.randomUUID(), theirRun])
    expect(await errorOf(acme.governance.listAttestations({ runId }))).toMatchObject({
      code: Code.NotFound,
      rawMessage: expect.stringContaining(runList),
    });
});

describe("how an id begins", () => {
  it("finds runs, and those of the own tenant and org alone", async () => {
    const runs = await Promise.all([1, 2, 3].map(() => startRun(acme)));
    const idsOf = async (idPrefix: string) =>
      (await acme.workflows.listWorkflowRuns({ idPrefix })).runs.map(({ id }) => id);
    for (const id of runs) {
      for (const length of [8, 9, 12, 36]) expect(await idsOf(id.slice(0, length))).toEqual([id]);
      expect(await idsOf(id.slice(0, 4))).toContain(id);
    }
    expect(await idsOf(theirRun)).toEqual([]);
    expect(await idsOf("abcdef01-")).toEqual([]);
    expect(await idsOf("----")).toEqual([]);
    for (const idPrefix of ["abc", "xyzw", "a".repeat(40)])
      expect(await errorOf(acme.workflows.listWorkflowRuns({ idPrefix }))).toMatchObject({
        code: Code.InvalidArgument,
      });
  });
});
