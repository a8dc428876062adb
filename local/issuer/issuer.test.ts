import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePorts } from "../../test/support/engines/free-ports.ts";
import { createIssuer } from "./issuer.ts";

const parent = mkdtempSync(join(tmpdir(), "automation-issuer-"));
const dir = join(parent, "issuer");
let url: string;
let server: Server;

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  server = createServer(await createIssuer({ url, dir, clock: () => Date.now() }));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
});

afterAll(() => {
  server.close();
  rmSync(parent, { recursive: true });
});

const read = async (from: string) => (await (await fetch(from)).json()) as Record<string, unknown>;

const good = { tenant: "acme", org: "eng", role: "operator", subject: "ada" };
const secret = () => readFileSync(join(dir, "client-secret"), "utf8");

async function ask(form: Record<string, string> | string, authorization = `Bearer ${secret()}`) {
  const response = await fetch(`${url}/token`, {
    method: "POST",
    headers: { authorization },
    body: new URLSearchParams(form),
  });
  const body = (await response.json()) as Record<string, string>;
  return { status: response.status, body };
}

it("issues a token that verifies against its own discovery and keys, and says for whom it speaks", async () => {
  const discovery = await read(`${url}/.well-known/openid-configuration`);
  const { body } = await ask(good);
  const { payload, protectedHeader } = await jwtVerify(
    body.access_token ?? "",
    createRemoteJWKSet(new URL(String(discovery.jwks_uri))),
    {
      issuer: url,
      audience: "automation",
    },
  );
  expect(protectedHeader.alg).toBe("EdDSA");
  expect(payload).toMatchObject({ sub: "ada", tenants: ["acme"], orgs: ["eng"], roles: ["operator"] });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600);
});

it("publishes no private part of its key and keeps its files to its owner", async () => {
  const { keys } = (await read(`${url}/jwks.json`)) as { keys: unknown[] };
  expect(keys).toHaveLength(1);
  expect(keys[0]).not.toHaveProperty("d");
  for (const file of ["key.json", "client-secret"]) expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
});

it("takes the secret as Basic credentials too, and keeps its key over a restart", async () => {
  expect((await ask(good, `Basic ${Buffer.from(`cli:${secret()}`).toString("base64")}`)).status).toBe(200);
  const keys = await read(`${url}/jwks.json`);
  const again = createServer(await createIssuer({ url, dir, clock: () => Date.now() }));
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve) => again.listen(port, "127.0.0.1", resolve));
  expect(await (await fetch(`http://127.0.0.1:${port}/jwks.json`)).json()).toEqual(keys);
  again.close();
});

it.each(["", "Bearer wrong", "Basic d3Jvbmc="])("answers 401 to the credentials %j", async (authorization) => {
  expect(await ask(good, authorization)).toMatchObject({ status: 401, body: { error: "invalid_client" } });
});

it.each([
  ["tenant", { ...good, tenant: "Acme" }],
  ["tenant", { ...good, tenant: "*" }],
  ["org", { ...good, org: "" }],
  ["role", { ...good, role: "root" }],
  ["subject", { ...good, subject: "a\nb" }],
  ["subject", { ...good, subject: "x".repeat(201) }],
  ["subject", { tenant: "acme", org: "eng", role: "admin" }],
  ["scope", { ...good, scope: "all" }],
  ["tenant", "tenant=acme&tenant=other&org=eng&role=admin&subject=ada"],
])("refuses a bad %s and names field, value and rule: %j", async (field, form) => {
  const { status, body } = await ask(form);
  expect(status).toBe(400);
  expect(body).toMatchObject({ error: "invalid_request", field, rule: expect.any(String), value: expect.any(String) });
  expect(body.error_description).toContain(body.rule);
});

it("lets the role worker speak for all tenants and platform for none, and every role for all orgs of one", async () => {
  for (const role of ["worker", "platform"])
    expect((await ask({ ...good, tenant: "*", org: "*", role })).status).toBe(200);
  expect((await ask({ ...good, org: "*" })).status).toBe(200);
  expect((await ask({ ...good, tenant: "*" })).status).toBe(400);
});

it("answers 413 to a body beyond its limit, 405 to another method, 404 elsewhere", async () => {
  expect((await ask({ ...good, subject: "x".repeat(20_000) })).status).toBe(413);
  expect((await fetch(`${url}/token`)).status).toBe(405);
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});
