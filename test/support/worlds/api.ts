import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import type { JSONWebKeySet } from "jose";
import { importJWK, SignJWT } from "jose";
import pg from "pg";
import { createIssuer } from "../../../local/issuer/issuer.ts";
import { createApiClient } from "../../../src/client/api-client.ts";
import { createS3 } from "../../../src/drivers/s3/s3.ts";
import { main } from "../../../src/processes/api/api.ts";
import type { InRun } from "../../../src/runs/in-run.ts";
import type { Scope } from "../../../src/tenancy/transaction.ts";
import type { BorrowedEngines } from "../engines/borrow-engines.ts";
import { borrowEngines } from "../engines/borrow-engines.ts";
import { writeS3Credentials } from "../engines/credential-files.ts";
import { createDatabase } from "../engines/database.ts";
import type { WantedEngines } from "../engines/engines.ts";
import { freePorts } from "../engines/free-ports.ts";

export interface Claims {
  readonly tenants?: unknown;
  readonly orgs?: unknown;
  readonly roles?: unknown;
  readonly sub?: string;
  readonly aud?: string;
  readonly iss?: string;
  /** Seconds from now; negative: it has expired. */
  readonly expiresIn?: number;
  readonly kid?: string;
}

/**
 * The api process as it is, over a real Postgres and S3 and with the local stack's issuer.
 * @param more - lines of the operator file beside those that every test needs
 * @param start - `startEngines` for a test that stops one
 */
export async function startApi(more = "", start: (wanted: WantedEngines) => Promise<BorrowedEngines> = borrowEngines) {
  const engines = await start({ postgres: true, s3: true });
  const database = await createDatabase(engines.postgres.url);
  const s3 = createS3(engines.s3);
  await s3.ensureBucket();
  s3.close();

  const [issuerPort = 0, apiPort = 0, healthPort = 0] = await freePorts(3);
  const issuerUrl = `http://127.0.0.1:${issuerPort}`;
  const issuerDir = join(engines.dir, "issuer");
  const issuer = createServer(await createIssuer({ url: issuerUrl, dir: issuerDir, clock: Date.now }));
  await new Promise<void>((done) => issuer.listen(issuerPort, "127.0.0.1", done));
  const key = JSON.parse(readFileSync(join(issuerDir, "key.json"), "utf8"));
  const signingKey = await importJWK(key, "EdDSA");
  const { keys } = (await (await fetch(`${issuerUrl}/jwks.json`)).json()) as JSONWebKeySet;

  const operatorFile = join(engines.dir, "operator.yaml");
  const workspaces = "{ isolation: [uid], repositories: { hosts: [github.com] } }";
  const proof = "{ baseUri: https://automation.example/proof }";
  writeFileSync(operatorFile, `roles: [developer]\nproof: ${proof}\nworkspaces: ${workspaces}\n${more}\n`);
  const keysDir = join(engines.dir, "keys");
  mkdirSync(keysDir, { mode: 0o700 });
  const environment = {
    AUTOMATION_LOG_LEVEL: "error",
    AUTOMATION_POSTGRES_URL: database.urlOf("api"),
    AUTOMATION_S3_ENDPOINT: engines.s3.endpoint,
    AUTOMATION_S3_REGION: engines.s3.region,
    AUTOMATION_S3_BUCKET: engines.s3.bucket,
    AUTOMATION_S3_CREDENTIALS_DIR: writeS3Credentials(join(engines.dir, "s3-credentials"), engines.s3),
    AUTOMATION_API_ADDRESS: `127.0.0.1:${apiPort}`,
    AUTOMATION_STANDSTILL_SECONDS: "1",
    AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${healthPort}`,
    AUTOMATION_ISSUER_URL: issuerUrl,
    AUTOMATION_KEYS_DIR: keysDir,
    AUTOMATION_OPERATOR_FILE: operatorFile,
  };
  const url = `http://127.0.0.1:${apiPort}`;
  let ending = new AbortController();
  let running = Promise.resolve();
  const begin = async () => {
    ending = new AbortController();
    const begun = main(environment, ending.signal);
    running = begun;
    const answers = async () => (await fetch(`${url}/readyz`)).status === 200;
    await Promise.race([begun, waitUntil(() => answers().catch(() => false))]);
  };
  const shut = async () => {
    ending.abort();
    await running;
  };
  await begin();

  /** A token of the issuer's own key that claims what a test wants. */
  const token = (claims: Claims = {}): Promise<string> => {
    const now = Math.floor(Date.now() / 1000);
    const { tenants = ["acme"], orgs = ["retail"], roles = ["admin"] } = claims;
    return new SignJWT({ tenants, orgs, roles })
      .setProtectedHeader({ alg: "EdDSA", kid: claims.kid ?? keys[0]?.kid })
      .setIssuer(claims.iss ?? issuerUrl)
      .setAudience(claims.aud ?? "automation")
      .setSubject(claims.sub ?? "paula")
      .setIssuedAt(now)
      .setExpirationTime(now + (claims.expiresIn ?? 600))
      .sign(signingKey);
  };
  /** Connect clients that speak for one tenant and org; their token claims the same ones unless told. */
  const clientOf = async (claims: Claims & Partial<Scope> = {}) => {
    const { tenant = "acme", org = "retail", ...rest } = claims;
    const bearer = await token({ tenants: [tenant], orgs: [org], ...rest });
    return createApiClient({ apiUrl: url, token: () => bearer, tenant, org, timeoutMs: 60_000 }); // of a busy machine
  };
  const admin = new pg.Pool({ connectionString: database.superuserUrl, max: 4 });
  admin.on("error", () => undefined); // a test stops the server

  return {
    url,
    healthUrl: `http://127.0.0.1:${healthPort}`,
    engines,
    database,
    admin,
    start: begin,
    shut,
    token,
    clientOf,
    issuerUrl,
    async stop() {
      await shut();
      await admin.end();
      await new Promise((done) => issuer.close(done));
      await engines.stop();
    },
  };
}

export type RunningApi = Awaited<ReturnType<typeof startApi>>;
export type ApiClient = Awaited<ReturnType<RunningApi["clientOf"]>>;

/** Tenant and org that every call names. */
export const scope = { "x-tenant-id": "acme", "x-scope-orgid": "retail" };

export type Post = (method: string, body: unknown, headers: Record<string, string>) => ReturnType<typeof postJson>;

/** Plain JSON over HTTP/1.1, as every program can send it. */
export async function postJson(url: string, method: string, body: unknown, headers: Record<string, string>) {
  const response = await fetch(`${url}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as { code: string; message: string },
  };
}

/** What a call is refused with; it fails when the call is answered. */
export const errorOf = (call: Promise<unknown>) =>
  call.then(() => Promise.reject(new Error("the call was answered")), ConnectError.from);

/** Declares a definition and a profile, so that runs can be asked for. */
export async function declare(client: ApiClient): Promise<void> {
  await client.workflows.publishWorkflowVersion({
    definitionId: "evidence",
    version: "1",
    channel: "stable",
    plan: {},
  });
  await client.profiles.publishProfile({ profile: profileOf("team") });
}

export function profileOf(id: string) {
  return {
    ...{ id, version: "1", method: "scrum", requiredReferences: ["sprint", "backlog_item"] },
    bindings: [{ workKind: "story", definitionId: "evidence", channel: "stable" }],
    gates: [{ id: "done", requirements: [{ id: "ran", kind: "agent-run", remedy: "Ask again." }] }],
    completionGate: "done",
  };
}

/** Asks for a run. @returns its id */
export async function startRun(
  client: ApiClient,
  asked: { readonly requestId?: string; readonly profile?: string; readonly sprint?: string } = {},
): Promise<string> {
  const { requestId = randomUUID(), profile = "team", sprint = "S-7" } = asked;
  const context = { method: { case: "scrum" as const, value: { product: "shop", sprint, backlogItems: ["B-1"] } } };
  const { runId } = await client.workflows.startWorkflowRun({
    requestId,
    request: { profile: { id: profile }, workKind: "story", context },
  });
  return runId;
}

/** @returns what the run's workflow is started with; of a run that nobody knows, something that looks like it */
export async function startCapabilityOf(admin: pg.Pool, runId: string): Promise<string> {
  const { rows } = await admin.query("select start_capability from runs where run_id = $1", [runId]);
  return rows[0]?.start_capability ?? "x".repeat(64);
}

/** Moves a run to its end, as AbortSeal does, without the proof. */
export async function endRun(inRun: InRun, scope: Scope & { readonly runId: string }): Promise<void> {
  await inRun(scope, async (open) => {
    if (open.run.status !== "SEALING") await open.moveTo("SEALING", "seal/sealing", { outcome: "CANCELLED" });
    await open.moveTo("CANCELLED", "seal/end");
  });
}

/** Polls a claim about the world until it holds. */
export async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  const giveUp = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > giveUp) throw new Error("waited 60 s in vain");
    await new Promise((done) => setTimeout(done, 20));
  }
}
