import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AlteredObjectError, objectKeyOf } from "../../src/artifacts/blobs.ts";
import { UnsignableStatementError } from "../../src/proof/attestations/sign-statement.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import type { InScope, Transaction } from "../../src/tenancy/transaction.ts";
import { scopeOf } from "../support/builders/declared.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;

const context = { scrum: { product: "shop", sprint: "S-7", goals: ["G-1"], backlogItems: ["B-1", "B-2"] } };
const failed: AbortedEnd = { outcome: "FAILED", cause: "verdict_failed", reason: "tests are missing" };
const cancelled: AbortedEnd = { outcome: "CANCELLED", cause: "cancelled", reason: "by paula" };
const begin = (requirements = [ran], tenant = "acme") => sealing.beginRun({ tenant, requirements, context });

beforeAll(async () => {
  sealing = await startSealing();
  seal = sealing.wire(() => undefined);
  look = lookAt(sealing);
});
afterAll(() => sealing?.stop());

describe("committing, while things break", () => {
  it("commits exactly once, whichever query its connection dies at, and whether or not the answer arrives", async () => {
    const total = await countQueries(async (wired) => {
      const scope = await begin();
      await seal.prepare(scope);
      await wired.commit(scope);
    });
    expect(total).toBeGreaterThan(10);
    for (let dying = 1; dying <= total; dying += 1) {
      const scope = await begin();
      await seal.prepare(scope);
      const flawed = sealing.wire(() => undefined, { inScope: dyingAt(dying) });
      await expect(flawed.commit(scope), `query ${dying}`).rejects.toThrow();
      expect(await look.halves(scope), `query ${dying}`).toEqual({
        registered: 0,
        status: "SEALING",
        verdicts: "COMPLETION",
        artifacts: 0,
        elements: 0,
      });
      expect(await seal.commit(scope)).toMatchObject({ committed: true });
      expect(await look.halves(scope)).toEqual({
        registered: 3,
        status: "COMPLETED",
        verdicts: "COMPLETION",
        artifacts: 1,
        elements: 1,
      });
    }
    const scope = await begin();
    await seal.prepare(scope);
    const lossy = sealing.wire(() => undefined, { inScope: losingAnswers() });
    await expect(lossy.commit(scope)).rejects.toThrow("answer lost");
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
    expect(await look.halves(scope)).toEqual({
      registered: 3,
      status: "COMPLETED",
      verdicts: "COMPLETION",
      artifacts: 1,
      elements: 1,
    });
  });

  it("does not commit while its log is altered or gone in the store", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    const { rows } = await sealing.admin.query("select log_sha256 from seals where run_id = $1", [scope.runId]);
    const Key = objectKeyOf(scopeOf("acme"), rows[0].log_sha256);
    const client = new S3Client({
      endpoint: sealing.engines.s3.endpoint,
      region: sealing.engines.s3.region,
      forcePathStyle: true,
      credentials: sealing.engines.s3,
    });
    const original = await client.send(new GetObjectCommand({ Bucket: sealing.engines.s3.bucket, Key }));
    const bytes = (await original.Body?.transformToByteArray()) ?? new Uint8Array();
    await client.send(new PutObjectCommand({ Bucket: sealing.engines.s3.bucket, Key, Body: "forged" }));
    expect(await seal.commit(scope)).toMatchObject({ committed: false, fault: expect.stringContaining("has sha256") });
    await client.send(new DeleteObjectCommand({ Bucket: sealing.engines.s3.bucket, Key }));
    expect(await seal.commit(scope)).toMatchObject({ fault: expect.stringContaining("is not there") });
    expect(await look.statuses(scope)).toEqual(["PROVISIONAL", "PROVISIONAL", "PROVISIONAL"]);
    await client.send(new PutObjectCommand({ Bucket: sealing.engines.s3.bucket, Key, Body: bytes }));
    expect(await seal.commit(scope)).toMatchObject({ committed: true });
    client.destroy();
  });

  it("does not commit a statement that is not the one that was prepared", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await sealing.admin.query("update attestations set statement = 'forged' where run_id = $1 and kind = 'vsa'", [
      scope.runId,
    ]);
    await expect(seal.commit(scope)).rejects.toThrow(UnsignableStatementError);
    expect(await look.statusOf(scope)).toBe("SEALING");
  });
});

describe("aborting, while things break", () => {
  it("has one end and never both, when commit and abort race", async () => {
    const wins = { COMPLETED: 0, CANCELLED: 0 };
    for (let round = 0; round < 20; round += 1) {
      const scope = await begin();
      await seal.prepare(scope);
      const [committed, aborted] = await Promise.all([seal.commit(scope), seal.abort(scope, cancelled)]);
      const status = await look.statusOf(scope);
      expect([committed, aborted]).toMatchObject([
        { committed: status === "COMPLETED" },
        { outcome: `RUN_STATUS_${status}` },
      ]);
      const registered = (await look.statuses(scope)).filter((each) => each === "REGISTERED");
      expect(registered).toHaveLength(status === "COMPLETED" ? 3 : 2);
      wins[status as keyof typeof wins] += 1;
    }
    expect(wins.COMPLETED + wins.CANCELLED).toBe(20);
  });

  it("aborts exactly once, whichever query its connection dies at", async () => {
    const total = await countQueries(async (wired) => {
      const scope = await begin();
      await seal.prepare(scope);
      await wired.abort(scope, failed);
    });
    for (let dying = 1; dying <= total; dying += 1) {
      const scope = await begin();
      await seal.prepare(scope);
      const flawed = sealing.wire(() => undefined, { inScope: dyingAt(dying) });
      await expect(flawed.abort(scope, failed), `query ${dying}`).rejects.toThrow();
      expect(await look.halves(scope), `query ${dying}`).toEqual({
        registered: 0,
        status: "SEALING",
        verdicts: "COMPLETION",
        artifacts: 0,
        elements: 0,
      });
      await seal.abort(scope, failed);
      expect(await look.halves(scope)).toEqual({
        registered: 2,
        status: "FAILED",
        verdicts: "COMPLETION END",
        artifacts: 1,
        elements: 0,
      });
    }
  });
});

describe("an end that can't be written with what the run left", () => {
  const isFallback = async (scope: SealScope) => {
    const { statements } = await look.proofOf(scope);
    expect(Object.keys(statements).sort()).toEqual(["agent-run", "vsa"]);
    expect(JSON.stringify(statements)).toContain("the end is sealed without what the run left");
    expect(JSON.stringify(statements)).toContain("evidence-kept");
    expect(await look.statusOf(scope)).toBe("FAILED");
  };

  it("is written without it when its event log is altered in the store", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    const { rows } = await sealing.admin.query("select log_sha256 from seals where run_id = $1", [scope.runId]);
    const isLog = (key: string) => key === objectKeyOf(scope, rows[0].log_sha256);
    const altering = sealing.wire(() => undefined, {
      objects: {
        putOnce: async (key, ...rest) => (isLog(key) ? "present" : sealing.s3.putOnce(key, ...rest)),
        digestOf: async (key, signal) =>
          isLog(key) ? { sha256: "f".repeat(64), sizeBytes: 1 } : sealing.s3.digestOf(key, signal),
      },
    });
    expect(await altering.abort(scope, failed)).toMatchObject({ outcome: "RUN_STATUS_FAILED" });
    await isFallback(scope);
    expect(sealing.fallbacks.at(-1)).toBeInstanceOf(AlteredObjectError);
  });

  it("is written without it when what was found of its work makes no sense", async () => {
    const scope = await begin();
    await sealing.admin.query(
      "insert into work_reports (tenant, org, run_id, generation, segment, attempt, report, uploads) values ($1, $2, $3, 1, 1, 1, '{}', '[]')",
      [scope.tenant, scope.org, scope.runId],
    );
    await sealing.admin.query(
      "insert into work_findings (tenant, org, run_id, generation, segment, findings) values ($1, $2, $3, 1, 1, $4)",
      [scope.tenant, scope.org, scope.runId, { tests: "none", lines: 7 }],
    );
    await seal.abort(scope, failed);
    await isFallback(scope);
  });

  it("waits while the store is away, and keeps the full form for when it is back", async () => {
    const scope = await begin();
    const away = sealing.wire(() => undefined, {
      objects: { putOnce: () => Promise.reject(new Error("the store is away")) },
    });
    await expect(away.abort(scope, failed)).rejects.toThrow("the store is away");
    expect(await look.statusOf(scope)).toBe("PREPARING");
    await seal.abort(scope, failed);
    expect(JSON.stringify((await look.proofOf(scope)).statements)).toContain(failed.reason);
  });
});

/** A database connection that dies as its n-th query goes out. */
function dyingAt(n: number): InScope {
  let queries = 0;
  return watching(async (transaction) => {
    queries += 1;
    if (queries !== n) return;
    await transaction.query("select pg_terminate_backend(pg_backend_pid())").catch(() => {});
  });
}

function watching(before: (transaction: Transaction) => Promise<void> | undefined): InScope {
  return (tenant, work) =>
    sealing.inScope(tenant, (transaction) =>
      work({
        query: async (sql, values) => {
          await before(transaction);
          return transaction.query(sql, values);
        },
      }),
    );
}

async function countQueries(work: (wired: typeof seal) => Promise<void>): Promise<number> {
  let queries = 0;
  const inScope = watching(async () => {
    queries += 1;
  });
  await work(sealing.wire(() => undefined, { inScope }));
  return queries;
}

/** The second transaction (the one that writes) commits, and its caller never hears of it. */
function losingAnswers(): InScope {
  let transactions = 0;
  return async (tenant, work) => {
    const answer = await sealing.inScope(tenant, work);
    transactions += 1;
    if (transactions === 2) throw new Error("answer lost");
    return answer;
  };
}
