import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { ApiClient } from "../client/api-client.ts";
import type { SigningKey } from "../gen/governance/v1/governance_service_pb.ts";
import { KeyPurpose } from "../gen/governance/v1/governance_service_pb.ts";
import { CliError } from "./cli-error.ts";
import { listUpTo } from "./output.ts";

const downloadLimitMs = 60_000;
const attestationLimit = 10_000;

export interface Written {
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

interface ExportFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes a run's envelopes (`NAME.dsse.json`), its artifacts (`events.ndjson`) and the public keys (`keys/PURPOSE.pem`) to a folder.
 * Digests are checked before the first file is written.
 * @throws CliError 1 when nothing is registered yet, a digest differs, or the folder holds evidence of another run
 */
export async function* exportAttestations(api: ApiClient, runId: string, dir: string): AsyncGenerator<Written, void> {
  const files = await collectFiles(api, runId);
  const foreign = filesBelow(dir).find(
    (path) => /^[^/]*\.dsse\.json$|^keys\//.test(path) && !files.some(({ name }) => name === path),
  );
  if (foreign !== undefined) {
    const message = `${dir} holds ${foreign}, which is not of run ${runId}; name another folder with --out`;
    throw new CliError(1, message);
  }
  for (const { name, bytes } of files) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.part`, bytes);
    renameSync(`${path}.part`, path);
    yield { path, sha256: sha256Of(bytes) };
  }
}

async function collectFiles(api: ApiClient, runId: string): Promise<ExportFile[]> {
  const [{ items }, { artifacts }, { keys }] = await Promise.all([
    listUpTo(attestationLimit, async (pageSize, pageToken) => {
      const page = await api.governance.listAttestations({ runId, pageSize, pageToken });
      return { items: page.attestations, nextPageToken: page.nextPageToken };
    }),
    api.workflows.listArtifacts({ runId }),
    api.governance.listSigningKeys({}),
  ]);
  if (items.length === 0) {
    const message = `run ${runId} has no registered attestation; evidence is registered when the run ends: \`automation run watch ${runId}\``;
    throw new CliError(1, message);
  }
  const files: ExportFile[] = [];
  for (const { id, name, statementSha256, keyId } of items) {
    const { attestation } = await api.governance.getAttestation({ id });
    const bytes = attestation?.envelope ?? new Uint8Array();
    assertDigest(`the statement of attestation ${id}`, payloadOf(bytes), statementSha256);
    files.push({ name: `${safeName(name)}.dsse.json`, bytes });
    addKey(files, keys, keyId);
  }
  for (const { id, name, sha256 } of artifacts) {
    const bytes = await download((await api.workflows.getArtifactUrl({ artifactId: id })).url, name);
    assertDigest(`artifact ${name}`, bytes, sha256);
    files.push({ name: safeName(name), bytes });
  }
  return files;
}

/** One run's evidence of one purpose is signed at one time, so a purpose has one key here. */
function addKey(files: ExportFile[], keys: readonly SigningKey[], keyId: string): void {
  const key = keys.find((candidate) => candidate.keyId === keyId);
  if (key === undefined) throw new CliError(1, `the api does not list the key ${keyId}; ask its operator for it`);
  const purpose = key.purpose === KeyPurpose.VERIFIER ? "verifier" : "builder";
  const name = join("keys", `${purpose}.pem`);
  if (!files.some((file) => file.name === name)) files.push({ name, bytes: Buffer.from(key.publicKeyPem) });
}

async function download(url: string, name: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(downloadLimitMs) });
    if (!response.ok)
      throw new CliError(1, `artifact ${name} can't be read: the object store answered ${response.status}`);
    return await response.bytes();
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(3, `artifact ${name} can't be read: the object store ${new URL(url).host} does not answer`, {
      cause,
    });
  }
}

function payloadOf(envelope: Uint8Array): Uint8Array {
  const { payload }: { payload: string } = JSON.parse(Buffer.from(envelope).toString("utf8"));
  return Buffer.from(payload, "base64");
}

function assertDigest(what: string, bytes: Uint8Array, expected: string): void {
  const found = sha256Of(bytes);
  if (found === expected) return;
  throw new CliError(
    1,
    `${what} has sha256 ${found}, not ${expected} as registered; don't rely on it, tell the operator`,
  );
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Names come from the api; none may leave the folder. */
function safeName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(name)) return name;
  throw new CliError(1, `the api names a file ${JSON.stringify(name)}, which is no plain file name; tell its operator`);
}

function filesBelow(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new CliError(2, `${dir} can't be used as a folder (${(cause as NodeJS.ErrnoException).code}); name another`, {
      cause,
    });
  }
}
