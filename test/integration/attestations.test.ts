import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createArtifactUrl, UnknownArtifactError } from "../../src/artifacts/artifact-url.ts";
import { createListArtifacts } from "../../src/artifacts/list-artifacts.ts";
import { GetAttestationRequestSchema } from "../../src/gen/governance/v1/governance_service_pb.ts";
import { createGetAttestation, UnknownAttestationError } from "../../src/proof/attestations/list-attestations.ts";
import { UnknownRunError } from "../../src/runs/in-run.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import { InvalidPageTokenError } from "../../src/tenancy/page-token.ts";
import { scopeOf } from "../support/builders/declared.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;

const context = { scrum: { product: "shop", sprint: "S-7", goals: ["G-1"], backlogItems: ["B-1", "B-2"] } };
const cancelled: AbortedEnd = { outcome: "CANCELLED", cause: "cancelled", reason: "by paula" };
const elsewhere = { scrum: { ...context.scrum, product: "till", sprint: "S-6" } };
const begin = (requirements = [ran], tenant = "acme", about = context) =>
  sealing.beginRun({ tenant, requirements, context: about });

beforeAll(async () => {
  sealing = await startSealing();
  seal = sealing.wire(() => undefined);
  look = lookAt(sealing);
});
afterAll(() => sealing?.stop());

describe("registered attestations", () => {
  it("are found by run, by references and their parents, and by subject; page by page", async () => {
    const scope = await begin([ran], "list-tenant");
    await seal.prepare(scope);
    await seal.commit(scope);
    const other = await begin([ran], "list-tenant", elsewhere);
    await seal.abort(other, cancelled);
    const { logSha256 } = await look.proofOf(scope);
    for (const narrow of [
      { runId: scope.runId },
      { reference: { kind: "sprint", id: "S-7" } },
      { reference: { kind: "product", id: "shop" } },
      { subjectSha256: logSha256.toUpperCase() },
    ])
      expect((await look.list("list-tenant", narrow)).map((each) => each.kind).sort()).toEqual([
        "agent-run",
        "provenance",
        "vsa",
      ]);
    expect(await look.list("list-tenant", {})).toHaveLength(5);
    const paged = await look.list("list-tenant", { pageSize: 2 });
    expect(new Set(paged.map((each) => each.id)).size).toBe(5);
    expect(paged).toEqual(await look.list("list-tenant", {}));
    for (const nothing of [{ reference: { kind: "sprint", id: "S-8" } }, { subjectSha256: "00ff" }])
      expect(await look.list("list-tenant", nothing)).toEqual([]);
    for (const runId of [scope.runId, "none"])
      await expect(look.list("other-tenant", { runId })).rejects.toThrow(UnknownRunError);
    await expect(look.list("list-tenant", { pageToken: "garbage" })).rejects.toThrow(InvalidPageTokenError);
  });

  it("are known to their tenant alone, like artifacts", async () => {
    const scope = await begin();
    await seal.prepare(scope);
    await seal.commit(scope);
    const [attestation] = await look.list(scope.tenant, { runId: scope.runId });
    const { artifacts = [] } = await createListArtifacts(sealing)(scopeOf("acme"), scope.runId);
    const get = createGetAttestation(sealing);
    const urlOf = createArtifactUrl({ ...sealing, urlFor: sealing.s3.urlFor });
    for (const id of ["", "none", crypto.randomUUID()]) {
      await expect(get(create(GetAttestationRequestSchema, { id }), scopeOf("acme"))).rejects.toThrow(
        UnknownAttestationError,
      );
      await expect(urlOf(scopeOf("acme"), id)).rejects.toThrow(UnknownArtifactError);
    }
    await expect(get(create(GetAttestationRequestSchema, { id: attestation?.id }), scopeOf("other"))).rejects.toThrow(
      UnknownAttestationError,
    );
    await expect(urlOf(scopeOf("other"), artifacts[0]?.id ?? "")).rejects.toThrow(UnknownArtifactError);
  });
});
