import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { ApiClient } from "../../client/api-client.ts";
import type { SigningKey } from "../../gen/governance/v1/governance_service_pb.ts";
import { KeyPurpose } from "../../gen/governance/v1/governance_service_pb.ts";
import { visible } from "../../text/strangers-text.ts";
import { CliError } from "../cli-error.ts";
import { listUpTo } from "../show/output.ts";
import type { NamedArtifact } from "./fetch-artifact.ts";
import { fetchArtifact } from "./fetch-artifact.ts";

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

/** Where evidence and keys lie in a folder; what else is there is nobody's. */
const places = /^[^/]*\.dsse\.json$|^(?:keys|tests|documents)\/|^(?:events\.ndjson|changes\.patch)$/;

/**
 * Writes a run's envelopes (`NAME.dsse.json`), the artifacts that its statements are about (`events.ndjson`, `changes.patch` …) and the public keys (`keys/PURPOSE.pem`) to a folder.
 * Digests are checked before the first file is written, and no file is ever overwritten with other bytes: the same export to the same folder changes nothing.
 * @throws CliError 1 when nothing is registered yet, a digest differs, or the folder holds evidence of another run, or keys of another installation
 */
export async function* exportAttestations(api: ApiClient, runId: string, dir: string): AsyncGenerator<Written, void> {
  const files = await collectFiles(api, runId);
  const ours = new Map(files.map(({ name, bytes }) => [name, bytes]));
  for (const name of filesBelow(dir)) {
    const bytes = ours.get(name);
    const isForeign = bytes === undefined ? places.test(name) : !readFileSync(join(dir, name)).equals(bytes);
    if (isForeign) throw foreign(join(dir, name), runId);
  }
  for (const { name, bytes } of files) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeNew(path, bytes, runId);
    yield { path, sha256: sha256Of(bytes) };
  }
}

/** Writes a file that is there only when all of it is; one that is there already stays. */
function writeNew(path: string, bytes: Uint8Array, runId: string): void {
  if (!existsSync(path)) {
    rmSync(`${path}.part`, { force: true }); // of a command that was stopped; it may be a link
    writeFileSync(`${path}.part`, bytes, { flag: "wx" });
    renameSync(`${path}.part`, path);
  } else if (!readFileSync(path).equals(bytes)) throw foreign(path, runId); // another command was faster
}

function foreign(path: string, runId: string): CliError {
  return new CliError(
    1,
    `${path} is not of run ${runId} and its installation, and is not overwritten; name another folder with --out`,
  );
}

async function collectFiles(api: ApiClient, runId: string): Promise<ExportFile[]> {
  const [{ items }, { artifacts }, { keys }] = await Promise.all([
    listUpTo(attestationLimit, async (pageSize, pageToken) => {
      const page = await api.governance.listAttestations({ runId, pageSize, pageToken });
      return { items: page.attestations, nextPageToken: page.nextPageToken };
    }),
    api.artifacts.listArtifacts({ runId }),
    api.governance.listSigningKeys({}),
  ]);
  if (items.length === 0) {
    const message = `run ${runId} has no registered attestation; evidence is registered when the run ends: \`automation run watch ${runId}\``;
    throw new CliError(1, message);
  }
  const files: ExportFile[] = [];
  const named = new Set<string>();
  for (const { id, name, statementSha256, keyId, subjects } of items) {
    const { attestation } = await api.governance.getAttestation({ id });
    const bytes = attestation?.envelope ?? new Uint8Array();
    assertDigest(`the statement of attestation ${id}`, payloadOf(bytes), statementSha256);
    files.push({ name: `${envelopeName(name)}.dsse.json`, bytes });
    addKey(files, keys, keyId);
    for (const { value } of subjects) named.add(value);
  }
  for (const artifact of artifacts.filter(({ sha256 }) => named.has(sha256))) {
    const { url } = await api.artifacts.getArtifactUrl({ artifactId: artifact.id });
    files.push({ name: safePath(artifact.name), bytes: await download(url, artifact) });
  }
  assertApart(files);
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

async function download(url: string, artifact: NamedArtifact): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of fetchArtifact(url, artifact)) pieces.push(piece);
  return Buffer.concat(pieces);
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

/** @returns a plain file name: `test-result.unit` for the statement `test-result/unit` */
function envelopeName(name: string): string {
  if (/^[a-z][a-z-]*(\/[a-z][a-z0-9-]*)?$/.test(name)) return name.replace("/", ".");
  throw strangeName(name);
}

/** Names come from the api; none may leave the folder, or be taken for an envelope, a key or something that was checked. */
function safePath(path: string): string {
  const parts = path.split("/");
  const isPlain =
    visible(path) === path &&
    !path.includes("\\") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
  const isOfOurs = parts.length === 1 ? path.endsWith(".dsse.json") : parts[0] === "keys" || parts[0] === "check";
  if (isPlain && !isOfOurs) return path;
  throw strangeName(path);
}

function assertApart(files: readonly ExportFile[]): void {
  const names = new Set<string>();
  for (const { name } of files) {
    if (names.has(name)) throw strangeName(name);
    names.add(name);
  }
}

function strangeName(name: string): CliError {
  return new CliError(1, `the api names a file ${JSON.stringify(name)}, which is not written; tell its operator`);
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
