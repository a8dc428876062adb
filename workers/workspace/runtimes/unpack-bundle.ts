import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fromJsonString, toJson } from "@bufbuild/protobuf";
import { extract } from "tar-stream";
import type { PersonaManifestJson } from "../../../src/gen/agents/v1/agents_service_pb.ts";
import { PersonaManifestSchema } from "../../../src/gen/agents/v1/agents_service_pb.ts";
import type { RuntimeName } from "./runtime.ts";
import { runtimeNameOf } from "./runtime.ts";

/** The bytes for a digest are not the pinned bundle, or not a bundle that may be unpacked. */
export class BundleAlteredError extends Error {
  override readonly name = "BundleAlteredError";
  readonly code = "bundle_altered";
  readonly digest: string;

  constructor(digest: string, rule: string, options?: ErrorOptions) {
    super(
      `bundle ${digest} is refused: ${rule}; publish the persona again under a new version, and ask for a new run`,
      options,
    );
    this.digest = digest;
  }
}

interface BundleFile {
  readonly bytes: Buffer;
  readonly isExecutable: boolean;
}

const mostFiles = 1_000;
const deepest = 20;
const longestPathBytes = 256;
const manifestPath = "persona.json";

/**
 * Unpacks a bundle into an empty folder. Everything is checked before anything is written. Files get mode 0444 or 0555, readable for every box.
 * @param tar - at most 4 MiB, which also limits the unpacked size, since it is not compressed
 * @throws BundleAlteredError that names the entry and the rule
 */
export async function unpackBundle(
  digest: string,
  tar: Buffer,
  to: string,
): Promise<{ readonly manifest: PersonaManifestJson; readonly runtime: RuntimeName }> {
  const files = await readFiles(digest, tar);
  const read = readManifest(digest, files);
  await chmod(to, 0o755);
  for (const folder of foldersOf(files.keys())) {
    await mkdir(join(to, folder));
    await chmod(join(to, folder), 0o755);
  }
  for (const [path, { bytes, isExecutable }] of files) {
    await writeFile(join(to, path), bytes, { flag: "wx" });
    await chmod(join(to, path), isExecutable ? 0o555 : 0o444);
  }
  return read;
}

async function readFiles(digest: string, tar: Buffer): Promise<ReadonlyMap<string, BundleFile>> {
  const refuse = (rule: string, options?: ErrorOptions) => new BundleAlteredError(digest, rule, options);
  const files = new Map<string, BundleFile>();
  const folders = new Set<string>();
  const entries = extract();
  entries.end(tar);
  try {
    for await (const entry of entries) {
      const { name, type, mode = 0 } = entry.header;
      if (type !== "file" && type !== "directory")
        throw refuse(`"${name}" is a ${type}; only files and folders are allowed`);
      const path = type === "directory" ? name.replace(/\/$/, "") : name;
      const fault = faultOfPath(path);
      if (fault !== undefined) throw refuse(`the path ${JSON.stringify(path)} ${fault}`);
      if (files.has(path) || folders.has(path)) throw refuse(`the path "${path}" is there twice`);
      if (files.size + folders.size >= mostFiles) throw refuse(`it has more than ${mostFiles} files and folders`);
      const chunks: Buffer[] = [];
      for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
      if (type === "directory") folders.add(path);
      else files.set(path, { bytes: Buffer.concat(chunks), isExecutable: (mode & 0o100) !== 0 });
    }
  } catch (error) {
    throw error instanceof BundleAlteredError
      ? error
      : refuse(`it is not a tar: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  for (const folder of foldersOf([...files.keys(), ...folders]))
    if (files.has(folder)) throw refuse(`the path "${folder}" is a file and a folder`);
  return files;
}

function faultOfPath(path: string): string | undefined {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    return 'must be relative, without a part that is empty, "." or ".."';
  if (/[\p{Cc}\\\uFFFD]/u.test(path)) return "has a control character, a backslash or bytes that are not UTF-8";
  if (path !== path.normalize("NFC")) return "is not in Unicode normalisation form C";
  if (parts.length > deepest) return `has ${parts.length} levels; ${deepest} are allowed`;
  if (Buffer.byteLength(path) > longestPathBytes) return `has more than ${longestPathBytes} bytes`;
  return undefined;
}

function readManifest(digest: string, files: ReadonlyMap<string, BundleFile>) {
  const found = files.get(manifestPath);
  if (found === undefined) throw new BundleAlteredError(digest, `it has no ${manifestPath}`);
  let manifest: PersonaManifestJson;
  try {
    manifest = toJson(PersonaManifestSchema, fromJsonString(PersonaManifestSchema, found.bytes.toString()));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BundleAlteredError(digest, `its ${manifestPath} can't be read: ${why}`, { cause: error });
  }
  const { outputSchema = "" } = manifest;
  const runtime = runtimeNameOf(manifest);
  if (runtime === undefined) throw new BundleAlteredError(digest, "its manifest names no runtime");
  if (outputSchema !== "" && !files.has(outputSchema))
    throw new BundleAlteredError(digest, `outputSchema of its manifest names ${outputSchema}, which it does not hold`);
  return { manifest, runtime };
}

/** The folders above some paths, outer ones first. */
function foldersOf(paths: Iterable<string>): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const above = dirname(path);
    const parts = above === "." ? [] : above.split("/");
    for (const index of parts.keys()) folders.add(parts.slice(0, index + 1).join("/"));
  }
  return [...folders].sort();
}
