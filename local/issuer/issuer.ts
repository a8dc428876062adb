import { randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import type { CryptoKey, JWK } from "jose";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose";
import { isName, namePattern } from "../../src/text/name.ts";

/** What the api expects in a token's `aud`. */
export const audience = "automation";
const tokenLifetimeSeconds = 3600;

const roles = ["viewer", "operator", "admin", "worker", "platform"];
/** Roles whose tokens are for no tenant, or for every tenant. */
const rolesOfNoTenant = ["worker", "platform"];
const bodyLimitBytes = 16 * 1024;

class RefusedRequestError extends Error {
  override readonly name = "RefusedRequestError";
  readonly status: number;
  readonly code: string;
  readonly facts: Record<string, string>;

  constructor(status: number, code: string, message: string, facts: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.facts = facts;
  }
}

/**
 * A small OpenID-like issuer for one machine: discovery, JWKS, and tokens for whoever holds the client secret.
 * Key and secret are made in `dir` (0600) at the first start and kept.
 * @param url - becomes `iss`; discovery and JWKS are read there
 * @param clock - milliseconds since the epoch
 */
export async function createIssuer(deps: { url: string; dir: string; clock: () => number }): Promise<RequestListener> {
  mkdirSync(deps.dir, { recursive: true, mode: 0o700 });
  const secret = keep(join(deps.dir, "client-secret"), () => randomBytes(32).toString("base64url"));
  const key = await loadKey(join(deps.dir, "key.json"));
  const issue = async (form: TokenForm) =>
    await new SignJWT({ tenants: [form.tenant], orgs: [form.org], roles: [form.role] })
      .setProtectedHeader({ alg: "EdDSA", kid: key.id, typ: "JWT" })
      .setIssuer(deps.url)
      .setAudience(audience)
      .setSubject(form.subject)
      .setIssuedAt(Math.floor(deps.clock() / 1000))
      .setExpirationTime(Math.floor(deps.clock() / 1000) + tokenLifetimeSeconds)
      .sign(key.secret);
  const documents: Record<string, unknown> = {
    "/healthz": { status: "ok" },
    "/readyz": { status: "ok" },
    "/jwks.json": { keys: [key.public] },
    "/.well-known/openid-configuration": {
      issuer: deps.url,
      jwks_uri: `${deps.url}/jwks.json`,
      token_endpoint: `${deps.url}/token`,
      id_token_signing_alg_values_supported: ["EdDSA"],
      response_types_supported: ["token"],
      subject_types_supported: ["public"],
    },
  };
  const answer = async (request: IncomingMessage): Promise<unknown> => {
    const { pathname } = new URL(request.url ?? "/", deps.url);
    if (pathname === "/token") {
      requireMethod(request, "POST");
      requireSecret(request, secret);
      const token = await issue(readForm(await readBody(request)));
      return { access_token: token, token_type: "Bearer", expires_in: tokenLifetimeSeconds };
    }
    const document = documents[pathname];
    if (document === undefined) throw new RefusedRequestError(404, "not_found", `there is nothing at ${pathname}`);
    requireMethod(request, "GET");
    return document;
  };
  return (request, response) => {
    answer(request).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        if (!(error instanceof RefusedRequestError)) {
          console.error(error);
          send(response, 500, { error: "server_error", error_description: "internal error; see the issuer's log" });
          return;
        }
        send(response, error.status, { error: error.code, error_description: error.message, ...error.facts });
      },
    );
  };
}

interface TokenForm {
  tenant: string;
  org: string;
  role: string;
  subject: string;
}

const rules: Record<keyof TokenForm, { rule: string; holds: (value: string, role: string) => boolean }> = {
  role: { rule: `must be one of ${roles.join(", ")}`, holds: (value) => roles.includes(value) },
  tenant: {
    rule: `must match ${namePattern.source}, or be * for role ${rolesOfNoTenant.join(" or ")}`,
    holds: (value, role) => isName(value) || (value === "*" && rolesOfNoTenant.includes(role)),
  },
  org: { rule: `must match ${namePattern.source}, or be *`, holds: (value) => isName(value) || value === "*" },
  subject: {
    rule: "must have 1 to 200 characters, none of them a control character",
    holds: (value) => value.length >= 1 && value.length <= 200 && !/\p{Cc}/u.test(value),
  },
};

function readForm(body: string): TokenForm {
  const form = new URLSearchParams(body);
  const fields = Object.keys(rules) as (keyof TokenForm)[];
  for (const field of form.keys()) {
    if (field in rules) continue;
    throw refusedField(field, form.get(field) ?? "", `is not one of ${fields.join(", ")}`);
  }
  const read = (field: keyof TokenForm) => {
    const values = form.getAll(field);
    if (values.length !== 1) throw refusedField(field, values.join(", "), "must be given once");
    const value = values[0] ?? "";
    if (!rules[field].holds(value, form.get("role") ?? "")) throw refusedField(field, value, rules[field].rule);
    return value;
  };
  return { role: read("role"), tenant: read("tenant"), org: read("org"), subject: read("subject") };
}

function refusedField(field: string, value: string, rule: string): RefusedRequestError {
  const shown = value.slice(0, 80);
  return new RefusedRequestError(400, "invalid_request", `${field} "${shown}" ${rule}`, { field, value: shown, rule });
}

function requireMethod(request: IncomingMessage, method: string): void {
  if (request.method === method) return;
  throw new RefusedRequestError(405, "method_not_allowed", `${request.method} is not allowed here; use ${method}`);
}

function requireSecret(request: IncomingMessage, secret: string): void {
  const [scheme = "", credentials = ""] = (request.headers.authorization ?? "").split(" ");
  const given =
    scheme.toLowerCase() === "basic"
      ? Buffer.from(credentials, "base64")
          .toString("utf8")
          .replace(/^[^:]*:/, "")
      : credentials;
  const [left, right] = [Buffer.from(given), Buffer.from(secret)];
  if (left.length === right.length && timingSafeEqual(left, right)) return;
  throw new RefusedRequestError(
    401,
    "invalid_client",
    "the client secret is missing or wrong; send the content of issuer/client-secret of the state folder as Bearer or Basic credentials",
  );
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimitBytes)
      throw new RefusedRequestError(413, "invalid_request", `the body must have at most ${bodyLimitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}

interface IssuerKey {
  id: string;
  secret: CryptoKey | Uint8Array;
  public: JWK;
}

async function loadKey(path: string): Promise<IssuerKey> {
  if (!existsSync(path)) {
    const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
    const jwk = await exportJWK(privateKey);
    keep(path, () => JSON.stringify(jwk));
  }
  const jwk: JWK = JSON.parse(readFileSync(path, "utf8"));
  const { d: _secret, ...publicPart } = jwk;
  const id = await calculateJwkThumbprint(jwk);
  return { id, secret: await importJWK(jwk, "EdDSA"), public: { ...publicPart, kid: id, alg: "EdDSA", use: "sig" } };
}

/** Reads a file; creates it atomically when it is missing. */
function keep(path: string, make: () => string): string {
  if (!existsSync(path)) {
    writeFileSync(`${path}.new`, make(), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  return readFileSync(path, "utf8");
}
