import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGovernanceService } from "../../src/api/governance-service.ts";
import { requestContextKey } from "../../src/api/interceptors/request-context.ts";
import { createArtifactUrl } from "../../src/artifacts/artifact-url.ts";
import { createListArtifacts } from "../../src/artifacts/list-artifacts.ts";
import { exportAttestations } from "../../src/cli/export-attestations.ts";
import type { ApiClient } from "../../src/client/api-client.ts";
import { GovernanceService } from "../../src/gen/governance/v1/governance_service_pb.ts";
import {
  GetArtifactUrlResponseSchema,
  ListArtifactsResponseSchema,
  WorkflowService,
} from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createGetAttestation, createListAttestations } from "../../src/proof/list-attestations.ts";
import { createListSigningKeys } from "../../src/proof/signing-keys.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { scopeOf } from "../support/declared.ts";
import { ran, startSealing } from "../support/sealing.ts";
import { complete, makeWork, worked } from "../support/worked-run.ts";

/** The commands that `docs/verify.md` tells auditors to run, run as they stand there on real exports and on forged ones. */
const doc = readFileSync(resolve(import.meta.dirname, "../../docs/verify.md"), "utf8");
const commands = blocks(/^```sh\n(.*?)^```$/gms);
/** Those that need the repository that the run worked on. */
const commandsOnRepository = blocks(/^```sh repository\n(.*?)^```$/gms);

let sealing: Awaited<ReturnType<typeof startSealing>>;
let root: string;
let made: ReturnType<typeof makeWork>;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "verify-"));
  sealing = await startSealing();
  const seal = sealing.wire(() => undefined);
  const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
  const completed = await sealing.beginRun({ tenant: "acme", requirements: [ran], context });
  await seal.prepare(completed);
  await seal.commit(completed);
  await exportTo(join(root, "completed"), completed);
  made = makeWork();
  const work = await sealing.beginRun({ tenant: "acme", requirements: [ran, ...worked], context, work: made.work });
  await complete(seal, work, made.honest);
  await seal.prepare(work);
  await seal.commit(work);
  await exportTo(join(root, "worked"), work);
  const failed = await sealing.beginRun({ tenant: "acme", requirements: [ran], context });
  await seal.abort(failed, { outcome: "FAILED", cause: "internal", reason: "it broke" });
  await exportTo(join(root, "failed"), failed);
});

afterAll(async () => {
  made?.remove();
  rmSync(root, { recursive: true, force: true });
  await sealing?.stop();
});

describe("the commands of docs/verify.md", () => {
  it("are there", () => {
    expect(commands).toContain("openssl pkeyutl -verify");
  });

  it("accept the export of a completed run", () => {
    const { status, stdout, stderr } = check("completed");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.match(/Signature Verified Successfully/g)).toHaveLength(3);
    expect(stdout).toContain("PASSED ['SCRUM_DEFINITION_OF_DONE'] automation://acme/scrum/backlog_item/B-1");
  });

  it("accept the export of a failed run, which says FAILED", () => {
    const { status, stdout } = check("failed");
    expect(status).toBe(0);
    expect(stdout.match(/Signature Verified Successfully/g)).toHaveLength(2);
    expect(stdout).toContain("FAILED ['FAILED']");
  });

  it("accept the export of a run that changed a repository, and say which tree it made", () => {
    const { status, stdout, stderr } = check("worked");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.match(/Signature Verified Successfully/g)).toHaveLength(6);
    expect(stdout).toContain(`commit ${made.captured.commit}, tree ${made.captured.tree}`);
    expect(readFileSync(join(root, "worked", "tests", "unit.xml"), "utf8")).toBe(made.green);
    expect(readFileSync(join(root, "worked", "documents", "docs", "note.md"), "utf8")).toBe(made.note);
  });

  it("make that tree again from the base and the patch, and notice another patch", () => {
    const again = () => run("worked", `set -eu\nexport REPOSITORY=${made.dir}\n${commandsOnRepository}`);
    const { status, stdout, stderr } = again();
    expect([status, stdout, stderr]).toEqual([0, `tree ${made.captured.tree}\n`, ""]);
    const file = join(root, "worked", "changes.patch");
    writeFileSync(file, made.patch.replace("a + b", "a * b"));
    expect(again().status).not.toBe(0);
    writeFileSync(file, made.patch);
  });

  it.each([
    ["another report", "tests/unit.xml", "another tests/unit.xml"],
    ["another patch", "changes.patch", "another changes.patch"],
    ["another document", "documents/docs/note.md", "another documents/docs/note.md"],
  ])("refuse %s than the one that was judged", (_what, name, why) => {
    const dir = `forged-${Math.random()}`;
    cpSync(join(root, "worked"), join(root, dir), { recursive: true, filter: (path) => !path.endsWith("/check") });
    writeFileSync(join(root, dir, name), "forged");
    const { status, stderr } = check(dir);
    expect(status).not.toBe(0);
    expect(stderr).toContain(why);
  });

  it.each([
    ["a verdict that was turned", (dir: string) => forgePayload(dir, "vsa", "PASSED", "FAILED"), "Signature"],
    ["an outcome that was turned", (dir: string) => forgePayload(dir, "agent-run", "retail", "reta1l"), "Signature"],
    ["a verdict signed with the builder's key", (dir: string) => swapKeys(dir), "Signature"],
    [
      "a log with an edited event",
      (dir: string) => editLog(dir, (log) => log.replace("PREPARING", "PREPARIMG")),
      "another events.ndjson",
    ],
    [
      "a log without its second event",
      (dir: string) => editLog(dir, (log) => log.replace(/\n.*\n/, "\n")),
      "another events.ndjson",
    ],
    ["a statement that the verdict does not know", (dir: string) => replaceStatement(dir), "verdict"],
  ])("refuse %s", (_what, forge, why) => {
    const dir = `forged-${Math.random()}`;
    cpSync(join(root, "completed"), join(root, dir), { recursive: true, filter: (path) => !path.endsWith("/check") });
    forge(join(root, dir));
    const { status, stdout, stderr } = check(dir);
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain(why);
  });

  it("name the event that was dropped, edited or moved", () => {
    const chain = commands.slice(commands.lastIndexOf("python3 - <<'PY'"));
    const dir = "chain";
    cpSync(join(root, "completed"), join(root, dir), { recursive: true });
    const lines = readFileSync(join(root, dir, "events.ndjson"), "utf8")
      .trimEnd()
      .split("\n");
    const judge = (changed: string[]) => {
      writeFileSync(join(root, dir, "events.ndjson"), changed.map((line) => `${line}\n`).join(""));
      return run(dir, chain).stderr;
    };
    expect(judge(lines)).toBe("");
    expect(judge(lines.toSpliced(1, 1))).toContain("event 2 does not follow event 1");
    expect(judge([lines[0], lines[2], lines[1], ...lines.slice(3)] as string[])).toContain("event 2 does not follow");
    expect(judge(lines.with(1, `${lines[1]} `))).toContain("event 3 does not follow event 2");
    expect(judge(lines.slice(0, -1))).toContain("another end");
  });
});

function blocks(fence: RegExp): string {
  return [...doc.matchAll(fence)].map(([, block]) => block).join("");
}

function check(dir: string) {
  return run(dir, commands);
}

function run(dir: string, script: string) {
  return spawnSync("sh", ["-c", script], { cwd: join(root, dir), encoding: "utf8", timeout: 60_000 });
}

type Envelope = { payload: string; payloadType: string; signatures: { sig: string }[] };

function changeEnvelope(dir: string, name: string, change: (envelope: Envelope) => void): void {
  const file = join(dir, `${name}.dsse.json`);
  const envelope: Envelope = JSON.parse(readFileSync(file, "utf8"));
  change(envelope);
  writeFileSync(file, JSON.stringify(envelope));
}

function forgePayload(dir: string, name: string, from: string, to: string): void {
  changeEnvelope(dir, name, (envelope) => {
    const payload = Buffer.from(envelope.payload, "base64").toString();
    expect(payload).toContain(from);
    envelope.payload = Buffer.from(payload.replace(from, to)).toString("base64");
  });
}

function swapKeys(dir: string): void {
  cpSync(join(dir, "keys", "builder.pem"), join(dir, "keys", "verifier.pem"));
}

function editLog(dir: string, edit: (log: string) => string): void {
  const file = join(dir, "events.ndjson");
  const log = readFileSync(file, "utf8");
  const edited = edit(log);
  expect(edited).not.toBe(log);
  writeFileSync(file, edited);
}

/** Validly signed, about the same log, and no input of the verdict. */
function replaceStatement(dir: string): void {
  rmSync(join(dir, "provenance.dsse.json"));
}

/** `automation attestation export`, over the services themselves instead of a wire. */
async function exportTo(dir: string, { tenant, runId }: SealScope): Promise<void> {
  const asAuditor: Interceptor = (next) => (request) => {
    const principal = { ...scopeOf(tenant), subject: "auditor", roles: ["viewer"] };
    request.contextValues.set(requestContextKey, { principal, expiresAt: new Date(Date.now() + 60_000) });
    return next(request);
  };
  const listArtifacts = createListArtifacts(sealing);
  const artifactUrl = createArtifactUrl({ ...sealing, urlFor: sealing.s3.urlFor });
  const routes = (router: ConnectRouter) => {
    const governance = createGovernanceService({
      getAttestation: createGetAttestation(sealing),
      listAttestations: createListAttestations(sealing),
      listSigningKeys: createListSigningKeys(sealing),
    });
    router.service(GovernanceService, governance);
    router.service(WorkflowService, {
      listArtifacts: async (request) =>
        fromJson(ListArtifactsResponseSchema, await listArtifacts(scopeOf(tenant), request.runId)),
      getArtifactUrl: async (request) =>
        fromJson(GetArtifactUrlResponseSchema, await artifactUrl(scopeOf(tenant), request.artifactId)),
    });
  };
  const transport = createRouterTransport(routes, { router: { interceptors: [asAuditor] } });
  const api = {
    governance: createClient(GovernanceService, transport),
    workflows: createClient(WorkflowService, transport),
  } as ApiClient;
  for await (const _ of exportAttestations(api, runId, dir));
}
