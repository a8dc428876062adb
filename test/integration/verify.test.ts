import { spawnSync } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import type { Sent } from "../support/builders/worked-run.ts";
import { complete, makeWork, worked } from "../support/builders/worked-run.ts";
import { findSlsaVerifier } from "../support/engines/slsa-verifier/slsa-verifier.ts";
import { exportRun } from "../support/probes/export-run.ts";
import { findBy } from "../support/probes/find.ts";
import { baseUri, ran, startSealing } from "../support/worlds/sealing.ts";

/** The commands that `docs/verify.md` tells auditors to run, run as they stand there on real exports and on forged ones. */
const doc = readFileSync(resolve(import.meta.dirname, "../../docs/verify.md"), "utf8");
const commands = blocks(/^```sh\n(.*?)^```$/gms);
/** Those that need the repository that the run worked on. */
const commandsOnRepository = blocks(/^```sh repository\n(.*?)^```$/gms);
const chainCommand = blocks(/^```sh\n(python3 [^\n]*\nimport hashlib, json\nprevious.*?)^```$/gms);
const commandOfSlsaVerifier = blocks(/^```sh slsa-verifier\n(.*?)^```$/gms);

let sealing: Awaited<ReturnType<typeof startSealing>>;
let root: string;
let made: ReturnType<typeof makeWork>;
let slsaVerifier: string;
const exported = new Map<string, SealScope>();
/** What an auditor expects of each export. */
const expected = new Map<string, Readonly<Record<string, string>>>();

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "verify-"));
  sealing = await startSealing();
  const seal = sealing.wire(() => undefined);
  const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
  const completed = await sealing.beginRun({ tenant: "acme", requirements: [ran], context });
  await seal.prepare(completed);
  await seal.commit(completed);
  made = makeWork();
  const work = await sealing.beginRun({ tenant: "acme", requirements: [ran, ...worked], context, work: made.work });
  await complete(seal, work, made.honest);
  await seal.prepare(work);
  await seal.commit(work);
  const unchanged = await sealing.beginRun({
    tenant: "acme",
    requirements: [ran],
    context,
    work: unchangedWork(made).work,
  });
  await complete(seal, unchanged, unchangedWork(made).sent);
  await seal.prepare(unchanged);
  await seal.commit(unchanged);
  const failed = await sealing.beginRun({ tenant: "acme", requirements: [ran], context });
  await seal.abort(failed, { outcome: "FAILED", cause: "internal", reason: "it broke" });
  mkdirSync(join(root, "known-keys"));
  for (const [name, scope] of Object.entries({ completed, worked: work, unchanged, failed })) {
    await exportRun(sealing, join(root, name), scope);
    exported.set(name, scope);
    const { rows } = await sealing.admin.query("select profile_digest from runs where run_id = $1", [scope.runId]);
    expected.set(name, { ...everExpected(), POLICY: rows[0].profile_digest });
  }
  for (const { purpose, pem } of sealing.signer.publicKeys)
    writeFileSync(join(root, "known-keys", `${purpose}.pem`), pem);
  slsaVerifier = await findSlsaVerifier(findBy(AbortSignal.timeout(170_000)));
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

  it("find the evidence of a failed run whole, and end without a verdict to rely on", () => {
    const { status, stdout, stderr } = check("failed");
    expect(stdout.match(/Signature Verified Successfully/g)).toHaveLength(2);
    expect(stdout).toContain("FAILED ['FAILED']");
    expect(status).not.toBe(0);
    expect(stderr).toContain("the verdict is FAILED");
  });

  it.each([
    ["another verifier", { VERIFIER: "https://proof.example/verifier/globex" }, "it was judged by"],
    ["another level", { LEVEL: "SCRUM_DEFINITION_OF_READY" }, "the level is"],
    ["another resource", { RESOURCE: "automation://acme/scrum/backlog_item/B-2" }, "it is about"],
    ["another policy", { POLICY: "0".repeat(64) }, "it was judged by the profile"],
    ["keys that are not those", { KEYS: "no-such-folder" }, "no-such-folder"],
    ["nothing", { LEVEL: "" }, "LEVEL"],
  ])("end where %s is expected", (_what, change, why) => {
    const { status, stderr } = check("completed", change);
    expect(status).not.toBe(0);
    expect(stderr).toContain(why);
  });

  it("end at a folder that another installation signed, or that has a verdict of the builder", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const foreign = copyOf("completed");
    writeFileSync(join(root, foreign, "keys", "verifier.pem"), publicKey.export({ format: "pem", type: "spki" }));
    expect(check(foreign)).toMatchObject({ status: 1, stdout: expect.stringContaining("differ") });
    const builders = copyOf("completed");
    cpSync(join(root, builders, "provenance.dsse.json"), join(root, builders, "vsa.dsse.json"));
    expect(check(builders).status).not.toBe(0);
  });

  it("hear nothing of the environment that would make them deaf, nor of what an earlier check left", () => {
    const dir = copyOf("failed");
    mkdirSync(join(root, dir, "check"));
    cpSync(join(root, "completed", "check", "vsa.json"), join(root, dir, "check", "other.json"));
    expect(check(dir, { PYTHONOPTIMIZE: "1" })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("the verdict is FAILED"),
    });
  });

  it("accept the export of a run that changed a repository, and say which tree it made", () => {
    const { status, stdout, stderr } = check("worked");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.match(/Signature Verified Successfully/g)).toHaveLength(6);
    expect(stdout).toContain(`commit ${made.captured.commit}, tree ${made.captured.tree}`);
    expect(readFileSync(join(root, "worked", "tests", "unit.xml"), "utf8")).toBe(made.green);
    expect(readFileSync(join(root, "worked", "documents", "docs", "note.md"), "utf8")).toBe(made.note);
  });

  it("make that tree again from the base and the patch, and notice another patch, and another tree", () => {
    const again = () => run("worked", `set -eu\n${commandsOnRepository}\necho went on`, { REPOSITORY: made.dir });
    const { status, stdout, stderr } = again();
    expect([status, stdout, stderr]).toEqual([0, `tree ${made.captured.tree}\nwent on\n`, ""]);
    const file = join(root, "worked", "changes.patch");
    for (const patch of [made.patch.replace("a + b", "a * b"), "", "no patch\n"]) {
      writeFileSync(file, patch);
      const other = again();
      expect(other.status).not.toBe(0);
      expect(other.stdout).not.toContain("went on");
    }
    writeFileSync(file, made.patch);
  });

  it("accept a run that changed nothing: its patch is empty, and its tree the base's", () => {
    expect(check("unchanged")).toMatchObject({ status: 0, stderr: "" });
    const { status, stdout, stderr } = run("unchanged", `set -eu\n${commandsOnRepository}`, { REPOSITORY: made.dir });
    expect([status, stdout, stderr]).toEqual([0, `tree ${made.base.tree}\n`, ""]);
  });

  it("end at a run without a repository where a tree is asked for", () => {
    const { status, stderr } = run("completed", `set -eu\n${commandsOnRepository}`, { REPOSITORY: made.dir });
    expect(status).not.toBe(0);
    expect(stderr).toContain("did not work on a repository");
  });

  it.each([
    ["another report", "tests/unit.xml", "another tests/unit.xml"],
    ["another patch", "changes.patch", "another changes.patch"],
    ["another document", "documents/docs/note.md", "another documents/docs/note.md"],
  ])("refuse %s than the one that was judged", (_what, name, why) => {
    const dir = copyOf("worked");
    writeFileSync(join(root, dir, name), "forged");
    const { status, stderr } = check(dir);
    expect(status).not.toBe(0);
    expect(stderr).toContain(why);
  });

  it.each([
    ["a verdict that was turned", (dir: string) => forgePayload(dir, "vsa", "PASSED", "FAILED"), "Signature"],
    ["an outcome that was turned", (dir: string) => forgePayload(dir, "agent-run", "retail", "reta1l"), "Signature"],
    ["a verdict signed with the builder's key", (dir: string) => swapKeys(dir), "differ"],
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
    const dir = copyOf("completed");
    forge(join(root, dir));
    const { status, stdout, stderr } = check(dir);
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain(why);
  });

  it("name the event that was dropped, edited or moved", () => {
    const chain = chainCommand;
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

describe("slsa-verifier", () => {
  const judge = (dir: string, change: Readonly<Record<string, string>> = {}) =>
    run(dir, `set -eu\n${commandOfSlsaVerifier}`, change);
  const byCommit = (dir: string, commit: string) =>
    run(dir, commandOfSlsaVerifier.replace(/"sha256:[^"]*"\)"|"sha256:.*?-f 1\)"/, `gitCommit:${commit}`));

  it("accepts a verdict that passed, by the log's sha256 and by the commit", () => {
    expect(judge("completed")).toMatchObject({ status: 0, stderr: expect.stringContaining("PASSED") });
    expect(judge("worked")).toMatchObject({ status: 0 });
    expect(byCommit("worked", made.captured.commit)).toMatchObject({ status: 0 });
  });

  it.each([
    ["a failed run", () => judge(copyOf("failed"), { LEVEL: "FAILED" })],
    ["a failed run as if it had passed", () => judge(copyOf("failed"))],
    ["another commit", () => byCommit("worked", made.base.commit)],
    [
      "another log",
      () => judge(changed("completed", (dir) => editLog(dir, (log) => log.replace("PREPARING", "PREPARIMG")))),
    ],
    ["another verifier", () => judge("completed", { VERIFIER: `${baseUri}/verifier/globex` })],
    ["another resource", () => judge("completed", { RESOURCE: "automation://acme/scrum/backlog_item/B-2" })],
    ["another level", () => judge("completed", { LEVEL: "SCRUM_DEFINITION_OF_READY" })],
    ["a turned payload", () => judge(changed("failed", (dir) => forgePayload(dir, "vsa", "FAILED", "PASSED")))],
    [
      "another payload type",
      () =>
        judge(
          changed("completed", (dir) =>
            changeEnvelope(dir, "vsa", (envelope) => (envelope.payloadType = "text/plain")),
          ),
        ),
    ],
    [
      "no signature",
      () => judge(changed("completed", (dir) => changeEnvelope(dir, "vsa", (envelope) => (envelope.signatures = [])))),
    ],
    [
      "another statement in its place",
      () => judge(changed("completed", (dir) => cpSync(join(dir, "agent-run.dsse.json"), join(dir, "vsa.dsse.json")))),
    ],
    ["the builder's key", () => judge("completed", { KEYS: keysOf("builder") })],
  ])("refuses %s", (_what, attempt) => {
    const { status, stderr } = attempt();
    expect(status).not.toBe(0);
    expect(stderr).toContain("SLSA verification failed");
  });
});

describe("an export", () => {
  const snapshot = (dir: string) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), "hex")]);
  const again = (dir: string, name: string) => exportRun(sealing, join(root, dir), exported.get(name) as SealScope);

  it("to the same folder changes nothing, also after the check", async () => {
    const dir = copyOf("worked");
    check(dir);
    const before = snapshot(join(root, dir));
    await again(dir, "worked");
    expect(snapshot(join(root, dir))).toEqual(before);
  });

  it.each([
    ["another run with the same names", "unchanged", (_dir: string) => undefined],
    ["a run with fewer files", "completed", (_dir: string) => undefined],
    ["another installation's keys", "worked", (dir: string) => writeFileSync(join(dir, "keys/verifier.pem"), "other")],
    ["an edited envelope", "worked", (dir: string) => writeFileSync(join(dir, "vsa.dsse.json"), "{}")],
    ["another report", "worked", (dir: string) => writeFileSync(join(dir, "tests/other.xml"), "<x/>")],
  ])("never overwrites what is there: %s", async (_what, name, change) => {
    const dir = copyOf("worked");
    change(join(root, dir));
    const before = snapshot(join(root, dir));
    await expect(again(dir, name)).rejects.toThrow(/is not overwritten; name another folder with --out/);
    expect(snapshot(join(root, dir))).toEqual(before);
  });
});

function changed(name: string, change: (dir: string) => void): string {
  const dir = copyOf(name);
  change(join(root, dir));
  return dir;
}

/** A folder where a key of that purpose has the verifier's name. */
function keysOf(purpose: string): string {
  const dir = join(root, `keys-${purpose}`);
  if (!existsSync(dir)) mkdirSync(dir);
  cpSync(join(root, "known-keys", `${purpose}.pem`), join(dir, "verifier.pem"));
  return dir;
}

function blocks(fence: RegExp): string {
  return [...doc.matchAll(fence)].map(([, block]) => block).join("");
}

/** A run that ended as it began. */
function unchangedWork({ work, git, base, honest }: ReturnType<typeof makeWork>) {
  const commit = git("commit-tree", "-p", base.commit, "-m", "unchanged", base.tree).trim();
  const { capture, tests = [], documents: _none, steps = [], ...report } = honest.report;
  const sent: Sent = {
    report: {
      ...report,
      steps: steps.filter(({ stepId }) => stepId !== "note"),
      capture: { ...capture, gitCommit: commit, gitTree: base.tree, patchSha256: sha256Hex(""), changes: [] },
      tests: tests.map((test) => ({ ...test, gitTree: base.tree })),
    },
    files: honest.files
      .filter(({ kind }) => kind !== "document")
      .map((file) => (file.kind === "patch" ? { ...file, text: "" } : file)),
  };
  return { sent, work: { ...work, plan: { steps: (work.plan.steps ?? []).filter(({ id }) => id !== "note") } } };
}

/** A folder like an export, to be changed. */
function copyOf(name: string): string {
  const dir = `forged-${randomUUID()}`;
  cpSync(join(root, name), join(root, dir), { recursive: true, filter: (path) => !path.endsWith("/check") });
  expected.set(dir, expected.get(name) ?? {});
  return dir;
}

const everExpected = () => ({
  KEYS: join(root, "known-keys"),
  VERIFIER: `${baseUri}/verifier/acme`,
  LEVEL: "SCRUM_DEFINITION_OF_DONE",
  RESOURCE: "automation://acme/scrum/backlog_item/B-1",
});

function check(dir: string, change: Readonly<Record<string, string>> = {}) {
  return run(dir, commands, change);
}

function run(dir: string, script: string, change: Readonly<Record<string, string>> = {}) {
  const env = { PATH: `${slsaVerifier}:${process.env.PATH}`, ...expected.get(dir), ...change };
  return spawnSync("sh", ["-c", script], { cwd: join(root, dir), env, encoding: "utf8", timeout: 60_000 });
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
