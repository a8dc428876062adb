import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keepBlob, objectKeyOf, sha256Hex } from "../../src/artifacts/blobs.ts";
import type { ObjectStore } from "../../src/artifacts/object-store.ts";
import { check } from "../../src/check/check.ts";
import { createKeptObjects, createNamedObjects } from "../../src/check/objects.ts";
import { walkOfRuns } from "../../src/check/page-store.ts";
import { createSnapshots } from "../../src/drivers/postgres/in-scope.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import type { InTransaction } from "../../src/tenancy/transaction.ts";
import { sweepObjects } from "../../src/upkeep/sweep-objects.ts";
import { complete, makeWork, put, worked } from "../support/builders/worked-run.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

/** A store with objects of an ended run, of one whose work is reported, of one that is just uploading, of a persona, and of nobody. */
let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let made: ReturnType<typeof makeWork>;
let snapshot: InTransaction;
let ended: SealScope;
let uploading: SealScope;
const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const bundle = Buffer.from("a bundle");
const signal = () => AbortSignal.timeout(60_000);
/** A time after which everything is old. */
const later = (hours = 1) => new Date(Date.now() + hours * 3_600_000);
const begin = (org: string) =>
  sealing.beginRun({ tenant: "acme", org, requirements: [ran, ...worked], context, work: made.work });
const left = { tenant: "acme", org: "nobody" };
const leftKeys = ["left", "over"].map((text) => objectKeyOf(left, sha256Hex(text))).toSorted();

beforeAll(async () => {
  made = makeWork();
  sealing = await startSealing();
  snapshot = createSnapshots(sealing.database.poolOf("check"));
  seal = sealing.wire(() => undefined);
  ended = await begin("ended");
  await complete(seal, ended, made.honest);
  await seal.prepare(ended);
  await seal.commit(ended);
  const reported = await begin("reported");
  await complete(seal, reported, made.honest);
  uploading = await begin("uploading");
  await put(seal, uploading, made.honest.files);
  for (const text of ["left", "over"]) await keepBlob(sealing.s3, left, Buffer.from(text), "text/plain");
  const owner = { tenant: "acme", org: null };
  const { sha256 } = await keepBlob(sealing.s3, owner, bundle, "application/x-tar");
  await sealing.admin.query(
    `insert into personas (tenant, persona_id, version, digest, size_bytes, manifest, object_key, published_by) values ('acme', 'p', '1', $1, 1, '{}', $2, 'admin')`,
    [sha256, objectKeyOf(owner, sha256)],
  );
});
afterAll(async () => {
  made?.remove();
  await sealing?.stop();
});

const keys = async () => (await sealing.s3.list("tenants/", undefined)).map(({ key }) => key);
async function sweep(olderThan: Date, change: { isDryRun?: boolean; objects?: Partial<ObjectStore> } = {}) {
  const objects = { ...sealing.s3, ...change.objects };
  const wanted = { olderThan, isDryRun: change.isDryRun ?? false, signal: signal() };
  const removed: string[] = [];
  for await (const page of sweepObjects({ snapshot, objects }, wanted))
    removed.push(...page.removed.map(({ key }) => key));
  return removed;
}
const ofUploading = (key: string) => key.includes("/orgs/uploading/");

describe("a sweep of the store", () => {
  it("removes nothing that is young", async () => {
    expect(await sweep(new Date(Date.now() - 3_600_000))).toEqual([]);
  });

  it("shows without removing what nothing names, and nothing else", async () => {
    const before = await keys();
    const shown = await sweep(later(), { isDryRun: true });
    expect(shown.filter((key) => !ofUploading(key))).toEqual(leftKeys);
    expect(shown.filter(ofUploading)).toHaveLength(made.honest.files.length);
    expect(await keys()).toEqual(before);
  });

  it("leaves what a worker was just told to be there, however old it is", async () => {
    const time = new Date(Date.now() + 2_000); // after what stands there was put, and before the grant of another attempt
    await expect.poll(() => Date.now(), { timeout: 10_000 }).toBeGreaterThan(time.getTime());
    const granting: Partial<ObjectStore> = {
      // the other attempt gets its grants after the sweep has looked at the page
      removeStoredBefore: async (key, before) => {
        if (ofUploading(key)) await put(seal, uploading, made.honest.files);
        return sealing.s3.removeStoredBefore(key, before);
      },
    };
    expect(await sweep(time, { objects: granting })).toEqual(leftKeys);
    await complete(seal, uploading, made.honest);
    expect(await sweep(later())).toEqual([]);
    expect(await keys()).toHaveLength(3 * made.honest.files.length + 2); // of three runs, a log and a bundle
  });
});

describe("a check of the store", () => {
  const look = (now = new Date()) => {
    const surveys = [
      createKeptObjects({ snapshot, objects: sealing.s3 }, walkOfRuns(undefined)),
      createNamedObjects({ snapshot, objects: sealing.s3, now: () => now }),
    ];
    return check({ snapshot, surveys }, { signal: signal() });
  };
  const ofStore = ({ findings }: Awaited<ReturnType<typeof look>>) =>
    findings.filter(({ what }) => what.includes("object") || what.includes("named by nothing"));

  it("finds nothing where each artifact has its object, and each object a row", async () => {
    const report = await look(later(25));
    expect(ofStore(report)).toEqual([]);
    expect(report.seen).toMatchObject({ artifacts: made.honest.files.length + 1, objects: (await keys()).length });
  });

  it("finds an object that nothing names, once it is a day old", async () => {
    await keepBlob(sealing.s3, left, Buffer.from("left"), "text/plain");
    expect(ofStore(await look())).toEqual([]);
    expect(ofStore(await look(later(25)))).toMatchObject([
      { invariant: "objects", tenant: "acme", what: "is named by nothing" },
    ]);
  });

  it("finds an artifact whose object is gone, or has other bytes", async () => {
    const [log, note] = ["events.ndjson", "documents/docs/note.md"];
    const { rows } = await sealing.admin.query("select name, object_key as key from artifacts where run_id = $1", [
      ended.runId,
    ]);
    const keyOf = (name?: string) => rows.find((row) => row.name === name)?.key;
    expect(await sealing.s3.removeStoredBefore(keyOf(log), later())).toBe(true);
    expect(await sealing.s3.removeStoredBefore(keyOf(note), later())).toBe(true);
    await sealing.s3.putOnce(keyOf(note), Buffer.from("x"), { sha256: sha256Hex("x"), contentType: "text/plain" });
    expect(
      ofStore(await look())
        .map(({ invariant, id, what }) => [invariant, id, what])
        .toSorted(),
    ).toEqual([
      ["I3", ended.runId, `has the artifact ${note}, whose object ${keyOf(note)} has other bytes`],
      ["I3", ended.runId, `has the artifact ${log}, whose object ${keyOf(log)} is not there`],
    ]);
  });
});
