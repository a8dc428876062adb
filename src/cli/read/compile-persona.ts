import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { PersonaManifestSchema } from "../../gen/agents/v1/agents_service_pb.ts";
import { encodeTar, InvalidBundleError } from "../../personas/canonical-tar.ts";
import { faultsOfManifest } from "../../personas/manifest.ts";
import { personaDigest } from "../../personas/persona-digest.ts";
import { manifestSource, readBundleFolder } from "../../personas/read-bundle-folder.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import { clonePath } from "../clone.ts";
import { readDocuments } from "./read-documents.ts";
import { checkMessage, detailOf } from "./yaml-message.ts";

/** A persona's folder as it would be published. */
export interface CompiledPersona {
  readonly id: string;
  readonly version: string;
  readonly bundle: Uint8Array;
  /** sha256, lower-case hex, of the bundle. */
  readonly digest: string;
}

/**
 * Checks a persona's folder and makes its bundle.
 * @throws CliError 2 with one line per fault
 */
export function compilePersona(path: string): CompiledPersona {
  const refuse = (details: readonly Detail[]) => new CliError(2, `${path} is no persona`, { details });
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CliError(2, `${path} is no folder; name the folder that holds ${manifestSource}`);
  const file = join(path, manifestSource);
  if (!existsSync(file))
    throw refuse([{ file, rule: "does not exist", remedy: `write one, ${clonePath("docs", "personas.md")} says how` }]);
  const [source, second] = readDocuments(file);
  if (source === undefined || second !== undefined)
    throw refuse([{ file, rule: `holds ${source === undefined ? "no document" : "several"}`, remedy: "give it one" }]);
  const checked = checkMessage(PersonaManifestSchema, source, []);
  if ("faults" in checked) throw refuse(checked.faults);
  const { id, version } = checked.message;
  try {
    const files = readBundleFolder(path, checked.message);
    const faults = faultsOfManifest(checked.message, files);
    if (faults.length > 0) throw refuse(faults.map((fault) => detailOf(source, fault)));
    const bundle = encodeTar(files);
    return { id, version, bundle, digest: personaDigest(bundle) };
  } catch (error) {
    if (!(error instanceof InvalidBundleError)) throw error;
    throw new CliError(2, `${path} is no persona`, { details: [{ rule: error.message }], cause: error });
  }
}
