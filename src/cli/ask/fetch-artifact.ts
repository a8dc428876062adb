import { createHash } from "node:crypto";
import { CliError } from "../cli-error.ts";

/** For a whole download, with a slow reader. */
const downloadLimitMs = 600_000;

/** What the api says about an artifact. */
export interface NamedArtifact {
  readonly name: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: bigint;
}

/**
 * Downloads an artifact piece by piece. Its digest is checked after the last piece: don't rely on any piece before.
 * @param url - of `GetArtifactUrl`
 * @throws CliError 1 when the bytes differ · 3 when it does not answer
 */
export async function* fetchArtifact(url: string, artifact: NamedArtifact): AsyncGenerator<Uint8Array, void> {
  const { name, sha256 } = artifact;
  const expected = Number(artifact.sizeBytes);
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of piecesOf(url, name)) {
    size += piece.byteLength;
    if (size > expected) break;
    hash.update(piece);
    yield piece;
  }
  const remedy = "don't rely on it, tell the operator";
  if (size !== expected) {
    const found = size > expected ? "more" : String(size);
    throw new CliError(1, `artifact ${name} has ${found} bytes, not ${expected} as registered; ${remedy}`);
  }
  const found = hash.digest("hex");
  if (found !== sha256)
    throw new CliError(1, `artifact ${name} has sha256 ${found}, not ${sha256} as registered; ${remedy}`);
}

async function* piecesOf(url: string, name: string): AsyncGenerator<Uint8Array, void> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(downloadLimitMs) });
    if (!response.ok)
      throw new CliError(1, `artifact ${name} can't be read: the object store answered ${response.status}`);
    if (response.body !== null) yield* response.body;
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const message = `artifact ${name} can't be read: the object store ${new URL(url).host} does not answer`;
    throw new CliError(3, message, { cause });
  }
}
