import { createHash, randomUUID } from "node:crypto";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compilePersona } from "../../src/cli/read/compile-persona.ts";
import { createS3 } from "../../src/drivers/s3/s3.ts";
import type { BundleFile } from "../../src/personas/canonical-tar.ts";
import { decodeTar, encodeTar } from "../../src/personas/canonical-tar.ts";
import type { ApiClient, RunningApi } from "../support/worlds/api.ts";
import { declare, startApi, startRun } from "../support/worlds/api.ts";

let api: RunningApi;
let admin: ApiClient;
let tenant = "";
const fixer = compilePersona(join(import.meta.dirname, "../../examples/demo/personas/test-fixer"));

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());

let tenants = 0;
const newTenant = async (): Promise<void> => {
  tenants += 1;
  tenant = `personas-${tenants}`;
  admin = await api.clientOf({ tenant });
};

const file = (path: string, text: string): BundleFile => ({ path, isExecutable: false, bytes: Buffer.from(text) });
const manifestOf = (version: string, more = "") =>
  `{"id":"mender",${more}"runtime":{"command":{"argv":["node","/persona/main.mjs"]}},"version":"${version}"}`;
const bundleOf = (version: string, program = "1;\n", more = "") =>
  encodeTar([file("persona.json", manifestOf(version, more)), file("main.mjs", program)]);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const refusalOf = (call: Promise<unknown>): Promise<[string, string]> =>
  call.then(
    () => ["ok", ""],
    (error: unknown) => [Code[ConnectError.from(error).code] ?? "", ConnectError.from(error).rawMessage],
  );
const revision = async (): Promise<number> => {
  const { rows } = await api.admin.query("select revision from declaration_revisions where tenant = $1", [tenant]);
  return rows[0]?.revision ?? 0;
};

describe("a published persona", () => {
  it("is kept by its digest, byte for byte, and says who published it", async () => {
    await newTenant();
    const { persona, created } = await admin.agents.publishBundle({ bundle: fixer.bundle });
    expect(created).toBe(true);
    expect(persona).toMatchObject({ id: "test-fixer", version: "1", digest: fixer.digest, publishedBy: "paula" });
    expect(persona?.sizeBytes).toBe(BigInt(fixer.bundle.byteLength));
    const s3 = createS3(api.engines.s3);
    try {
      const kept = await s3.digestOf(`tenants/${tenant}/sha256/${fixer.digest}`);
      expect(kept).toEqual({ sha256: fixer.digest, sizeBytes: fixer.bundle.byteLength });
    } finally {
      s3.close();
    }
  });

  it("is there for ever: the same bytes again are known, other bytes are refused, and caches hear of new ones only", async () => {
    await newTenant();
    const first = await admin.agents.publishBundle({ bundle: bundleOf("1") });
    const after = await revision();
    const again = await admin.agents.publishBundle({ bundle: bundleOf("1") });
    expect([again.created, again.persona]).toEqual([false, first.persona]);
    const changed = await refusalOf(admin.agents.publishBundle({ bundle: bundleOf("1", "2;\n") }));
    expect(changed[0]).toBe("AlreadyExists");
    expect(changed[1]).toContain("publish the change under a new version");
    expect(await revision()).toBe(after);
    await admin.agents.publishBundle({ bundle: bundleOf("2", "2;\n") });
    expect(await revision()).toBeGreaterThan(after);
  });

  it("of which other bytes are published at once is won by one", async () => {
    await newTenant();
    const bundles = Array.from({ length: 6 }, (_, n) => bundleOf("1", `${n};\n`));
    const outcomes = await Promise.all(bundles.map((bundle) => refusalOf(admin.agents.publishBundle({ bundle }))));
    expect(outcomes.map(([code]) => code).toSorted()).toEqual([...Array(5).fill("AlreadyExists"), "ok"]);
    expect((await admin.agents.listPersonas({})).personas).toHaveLength(1);
  });

  it("is listed newest first, for its tenant only", async () => {
    await newTenant();
    for (const version of ["10", "9"]) await admin.agents.publishBundle({ bundle: bundleOf(version) });
    await admin.agents.publishBundle({ bundle: fixer.bundle });
    const listed = async (client: ApiClient, personaId = "") =>
      (await client.agents.listPersonas({ personaId })).personas.map(({ id, version }) => `${id}@${version}`);
    expect(await listed(admin)).toEqual(["test-fixer@1", "mender@9", "mender@10"]);
    expect(await listed(admin, "mender")).toEqual(["mender@9", "mender@10"]);
    const viewer = await api.clientOf({ tenant, roles: ["viewer"] });
    expect(await listed(viewer)).toHaveLength(3);
    expect((await refusalOf(viewer.agents.publishBundle({ bundle: fixer.bundle })))[0]).toBe("PermissionDenied");
    await newTenant();
    expect(await listed(admin)).toEqual([]);
  });
});

describe("a bundle that is not what a folder becomes", () => {
  const [main] = decodeTar(bundleOf("1"));
  const with_ = (json: string, ...more: BundleFile[]) => encodeTar([file("persona.json", json), ...more]);
  const program = file("main.mjs", "1;\n");
  it.each([
    ["no tar", Buffer.from("persona"), "is cut off"],
    ["no manifest", encodeTar(main === undefined ? [] : [main]), "has no persona.json"],
    ["no JSON", with_("id: a"), "persona.json must be a JSON object"],
    [
      "an unknown field",
      with_('{"id":"a","model":"x"}'),
      "model PersonaManifest has no such field; use one of id, version",
    ],
    [
      "an unknown runtime",
      with_('{"id":"a","runtime":{"langchain":{}}}'),
      "runtime.langchain PersonaRuntime has no such field; use one of command",
    ],
    ["a bad id", with_(manifestOf("1").replace("mender", "../x"), program), "id: does not match regex pattern"],
    [
      "no program",
      with_(manifestOf("1")),
      "runtime.command.argv.1 names /persona/main.mjs, which is not in the bundle",
    ],
    ["its JSON in another form", with_(manifestOf("1").replace(":", ": "), program), "is not in canonical form"],
    ["a schema that is not there", bundleOf("1", "", '"outputSchema":"x.json",'), "outputSchema names x.json"],
    ["more than 4 MiB", Buffer.alloc(4 * 1024 * 1024 + 512), "4194304 (4 MiB) are allowed"],
    ["other bytes after it", Buffer.concat([bundleOf("1"), Buffer.alloc(9216)]), "must end with two empty blocks"],
  ])("with %s is refused and leaves nothing behind", async (_, bundle, reason) => {
    await newTenant();
    const [code, message] = await refusalOf(admin.agents.publishBundle({ bundle }));
    expect(code).toBe("InvalidArgument");
    expect(message).toContain(reason);
    expect((await admin.agents.listPersonas({})).personas).toEqual([]);
  });

  it("may have 4 MiB, as JSON on the wire", async () => {
    await newTenant();
    const bare = bundleOf("1").byteLength;
    const largest = bundleOf("1", " ".repeat(4 * 1024 * 1024 - bare + 512));
    expect(largest.byteLength).toBe(4 * 1024 * 1024);
    expect((await admin.agents.publishBundle({ bundle: largest })).created).toBe(true);
  });
});

describe("the URL of a bundle", () => {
  it("is given for a pinned digest to the execution that speaks for the run, and gives its bytes", async () => {
    await newTenant();
    await declare(admin);
    const bundle = bundleOf("1");
    await admin.agents.publishBundle({ bundle });
    await admin.agents.publishBundle({ bundle: fixer.bundle });
    const runId = await startRun(admin);
    const digest = sha256(bundle);
    const pins = { personas: [{ stepId: "fix", id: "mender", version: "1", digest }] };
    const execution = { runId, generation: 1, firstExecutionRunId: randomUUID() };
    await api.admin.query(
      `update runs set pins = $2, status = 'PREPARING', generation = 1, execution_run_id = $3 where run_id = $1`,
      [runId, JSON.stringify(pins), execution.firstExecutionRunId],
    );
    const worker = await api.clientOf({ tenant, roles: ["worker"] });
    const given = await worker.agents.getBundleUrl({ execution, digest });
    expect(given.sizeBytes).toBe(BigInt(bundle.byteLength));
    const answer = await fetch(given.url, { signal: AbortSignal.timeout(60_000) });
    expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(digest);
    expect(new URL(given.url).searchParams.get("X-Amz-Expires")).toBe("300");

    const codeOf = async (call: Promise<unknown>) => (await refusalOf(call))[0];
    expect(await codeOf(worker.agents.getBundleUrl({ execution, digest: fixer.digest }))).toBe("PermissionDenied");
    const other = { ...execution, firstExecutionRunId: randomUUID() };
    expect(await codeOf(worker.agents.getBundleUrl({ execution: other, digest }))).toBe("Aborted");
    const unknown = { ...execution, runId: randomUUID() };
    expect(await codeOf(worker.agents.getBundleUrl({ execution: unknown, digest }))).toBe("NotFound");
    expect(await codeOf(admin.agents.getBundleUrl({ execution, digest }))).toBe("PermissionDenied");
    const elsewhere = await api.clientOf({ tenant: "elsewhere", roles: ["worker"] });
    expect(await codeOf(elsewhere.agents.getBundleUrl({ execution, digest }))).toBe("NotFound");
  });
});

describe("a message that no bundle can be", () => {
  it("is refused by its size, unread", async () => {
    await newTenant();
    const [code, message] = await refusalOf(admin.agents.publishBundle({ bundle: new Uint8Array(8 * 1024 * 1024) }));
    expect([code, message]).toEqual(["ResourceExhausted", expect.stringContaining("message size is larger than")]);
  });
});
