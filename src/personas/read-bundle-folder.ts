import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PersonaManifest } from "../gen/agents/v1/agents_service_pb.ts";
import { deepestPath } from "./bundle-path.ts";
import type { BundleFile } from "./canonical-tar.ts";
import { InvalidBundleError, largestBundleBytes, mostFiles } from "./canonical-tar.ts";
import { manifestFile, manifestPath } from "./manifest.ts";

/** The manifest in a persona's folder; the bundle has `persona.json` instead. */
export const manifestSource = "persona.yaml";

/** Files that systems, editors and version control leave in a folder. They are left out of bundles, and nothing else is: `.gitignore` is not read. */
const leftBehind =
  /^(\.git|\.hg|\.svn|\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|.*~|\.#.*|#.*#|\..*\.sw[a-p]|\.idea|\.vscode)$/;

/**
 * Reads the files of a persona's folder for its bundle: names in NFC, executable if their owner may execute them.
 * @throws InvalidBundleError for a link, a special file, a name that is no UTF-8, too many files or bytes
 */
export function readBundleFolder(folder: string, manifest: PersonaManifest): BundleFile[] {
  const files = [manifestFile(manifest)];
  let sizeBytes = 0;
  const read = (within: readonly string[]) => {
    if (within.length > deepestPath)
      throw new InvalidBundleError(`${join(folder, ...within)} is deeper than ${deepestPath} folders; move it up`);
    for (const entry of entriesOf(join(folder, ...within))) {
      if (leftBehind.test(entry.name)) continue;
      const parts = [...within, entry.name];
      const source = join(folder, ...parts);
      if (entry.isDirectory()) {
        read(parts);
        continue;
      }
      const path = parts.join("/").normalize("NFC");
      if (path === manifestSource) continue;
      if (path === manifestPath)
        throw new InvalidBundleError(`${source} is in the way: it is made of ${manifestSource}; remove or rename it`);
      if (!entry.isFile())
        throw new InvalidBundleError(
          `${source} is ${entry.isSymbolicLink() ? "a link" : "a special file"}; a bundle has plain files only: put a copy in its place`,
        );
      if (files.length === mostFiles)
        throw new InvalidBundleError(`${folder} has more than ${mostFiles} files; leave out what is not needed`);
      const { bytes, isExecutable } = readPlainFile(source, largestBundleBytes - sizeBytes);
      sizeBytes += bytes.byteLength;
      files.push({ path, isExecutable, bytes });
    }
  };
  read([]);
  return files;
}

function entriesOf(dir: string) {
  const entries = readdirSync(dir, { withFileTypes: true });
  const foreign = entries.find(({ name }) => name.includes("\uFFFD"));
  if (foreign === undefined) return entries;
  throw new InvalidBundleError(`${join(dir, foreign.name)} has a name that is not UTF-8; rename it`);
}

/** Does not follow a link and does not wait for a pipe that replaced the file meanwhile. */
function readPlainFile(source: string, mostBytes: number): { bytes: Uint8Array; isExecutable: boolean } {
  const descriptor = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { mode, size } = fstatSync(descriptor);
    if (size > mostBytes)
      throw new InvalidBundleError(
        `${source} makes the bundle larger than ${largestBundleBytes} bytes (4 MiB); leave out what the persona does not need`,
      );
    return { bytes: readFileSync(descriptor), isExecutable: (mode & 0o100) !== 0 };
  } finally {
    closeSync(descriptor);
  }
}
