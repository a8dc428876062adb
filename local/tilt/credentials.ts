// Prints the Secrets and the issuer's documents that the Tiltfile applies, and keeps them in .tilt/ for the next time: `node local/tilt/credentials.ts`.
// .tilt/token is the developer's token for the command line.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JWK } from "jose";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose";
import { parse, stringify } from "yaml";
import { cloneDir } from "../../src/cli/clone.ts";
import { print } from "../../src/cli/show/terminal.ts";
import { audience } from "../issuer/issuer.ts";
import { userName } from "../issuer/mint-token.ts";

const day = 86_400;
const tokenLife = 30 * day;
/** Of the tokens' life when new ones are made. */
const renewWithin = 7 * day;

interface Kept {
  readonly passwords: Readonly<Record<"superuser" | "migrate" | "api" | "dispatcher" | "relay" | "s3", string>>;
  readonly signing: Readonly<Record<"builder" | "verifier", string>>;
  readonly issuerKey: JWK;
  readonly tokens: { readonly worker: string; readonly developer: string; readonly expiresAt: number };
}

const dir = join(cloneDir, ".tilt");
const file = join(dir, "credentials.json");
const values = parse(readFileSync(join(cloneDir, "tilt", "values.yaml"), "utf8"));
const issuer: string = values.issuer.url;
const now = Math.floor(Date.now() / 1000);

mkdirSync(dir, { recursive: true, mode: 0o700 });
const before: Partial<Kept> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
const issuerKey =
  before.issuerKey ?? (await exportJWK((await generateKeyPair("EdDSA", { extractable: true })).privateKey));
const keyId = await calculateJwkThumbprint(issuerKey);
const password = () => randomBytes(24).toString("hex");
const pem = () => generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const kept: Kept = {
  passwords: before.passwords ?? {
    superuser: password(),
    migrate: password(),
    api: password(),
    dispatcher: password(),
    relay: password(),
    s3: password(),
  },
  signing: before.signing ?? { builder: pem(), verifier: pem() },
  issuerKey,
  tokens:
    before.tokens !== undefined && before.tokens.expiresAt > now + renewWithin
      ? before.tokens
      : {
          worker: await sign("tilt-worker", ["*"], ["*"], "worker"),
          developer: await sign(userName(), ["acme", "scratch"], ["retail"], "admin"),
          expiresAt: now + tokenLife,
        },
};
keep(file, JSON.stringify(kept));
keep(join(dir, "token"), kept.tokens.developer);

const { passwords, signing, tokens } = kept;
const { d: _private, ...publicKey } = issuerKey;
const accessKeyId = "automation";
for (const document of [
  secret("automation-engines", "postgres", { password: passwords.superuser }),
  secret("automation-engines", "object-store", { "access-key-id": accessKeyId, "secret-access-key": passwords.s3 }),
  secret("automation", "automation-migration", { "admin-password": passwords.superuser }),
  secret("automation", "automation-database", {
    "migrate-password": passwords.migrate,
    "api-password": passwords.api,
    "dispatcher-password": passwords.dispatcher,
    "relay-password": passwords.relay,
  }),
  secret("automation", "automation-object-store", {
    "access-key-id": accessKeyId,
    "secret-access-key": passwords.s3,
  }),
  secret("automation", "automation-signing", { "builder.pem": signing.builder, "verifier.pem": signing.verifier }),
  secret("automation", "automation-worker-token", { token: tokens.worker }),
  secret("automation-workspace", "automation-worker-token", { token: tokens.worker }),
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "issuer", namespace: "automation-engines" },
    data: {
      "openid-configuration": JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks.json` }),
      "jwks.json": JSON.stringify({ keys: [{ ...publicKey, kid: keyId, alg: "EdDSA", use: "sig" }] }),
    },
  },
])
  print(`---\n${stringify(document, { lineWidth: 0 }).trimEnd()}`);

async function sign(subject: string, tenants: string[], orgs: string[], role: string): Promise<string> {
  return await new SignJWT({ tenants, orgs, roles: [role] })
    .setProtectedHeader({ alg: "EdDSA", kid: keyId, typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + tokenLife)
    .sign(await importJWK(issuerKey, "EdDSA"));
}

function secret(namespace: string, name: string, stringData: Readonly<Record<string, string>>) {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData };
}

/** Writes a file that is there only when all of it is. */
function keep(path: string, text: string): void {
  writeFileSync(`${path}.part`, text, { mode: 0o600 });
  renameSync(`${path}.part`, path);
}
