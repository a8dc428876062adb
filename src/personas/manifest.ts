import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson, toJson } from "@bufbuild/protobuf";
import type { Validator } from "@bufbuild/protovalidate";
import { createValidator } from "@bufbuild/protovalidate";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { PersonaManifest } from "../gen/agents/v1/agents_service_pb.ts";
import { PersonaManifestSchema } from "../gen/agents/v1/agents_service_pb.ts";
import { canonicalJson } from "../text/canonical-json.ts";
import { findUnreadableField } from "../text/unreadable-field.ts";
import type { BundleFile } from "./canonical-tar.ts";
import { InvalidBundleError } from "./canonical-tar.ts";

/** Where a bundle keeps its manifest, as RFC 8785 JSON. */
export const manifestPath = "persona.json";
/** Where a box sees the bundle. */
const bundleRoot = "/persona/";
const largestSchemaBytes = 64 * 1024;

/** What is wrong with a manifest. `path` has the names of proto JSON. */
export interface ManifestFault {
  readonly path: readonly (string | number)[];
  readonly rule: string;
  readonly remedy: string;
}

/** @returns the file that holds the manifest in its bundle, in canonical form: layout and order of `persona.yaml` don't change the bundle */
export function manifestFile(manifest: PersonaManifest): BundleFile {
  const text = canonicalJson(toJson(PersonaManifestSchema, manifest));
  return { path: manifestPath, isExecutable: false, bytes: Buffer.from(text) };
}

/**
 * Reads the manifest of a bundle and checks it against its proto's rules and the bundle's other files.
 * @throws InvalidBundleError with every fault
 */
export function readManifest(files: readonly BundleFile[]): PersonaManifest {
  const found = files.find(({ path }) => path === manifestPath);
  if (found === undefined)
    throw new InvalidBundleError(
      `the bundle has no ${manifestPath}; make it with \`automation persona publish FOLDER\``,
    );
  const manifest = parseManifest(found.bytes);
  const invalid = violationsOf(manifest);
  if (invalid.length > 0) throw new InvalidBundleError(`${manifestPath}: ${invalid.join("; ")}`);
  const own = manifestFile(manifest);
  if (found.isExecutable || Buffer.compare(own.bytes, found.bytes) !== 0)
    throw new InvalidBundleError(
      `${manifestPath} is not in canonical form (RFC 8785 JSON, mode 0644); make the bundle with \`automation persona publish FOLDER\``,
    );
  const faults = faultsOfManifest(manifest, files);
  if (faults.length > 0)
    throw new InvalidBundleError(
      faults.map(({ path, rule, remedy }) => `${manifestPath}: ${path.join(".")} ${rule}; ${remedy}`).join("\n"),
    );
  return manifest;
}

/** Finds files that a manifest names and its bundle lacks, or that are not what the manifest says. */
export function faultsOfManifest(manifest: PersonaManifest, files: readonly BundleFile[]): ManifestFault[] {
  const faults: ManifestFault[] = [];
  if (manifest.runtime?.kind.case === "command")
    for (const [index, word] of manifest.runtime.kind.value.argv.entries()) {
      const fault = faultOfWord(word, index, files);
      if (fault !== undefined) faults.push({ path: ["runtime", "command", "argv", index], ...fault });
    }
  const fault = faultOfSchema(manifest.outputSchema, files);
  if (fault !== undefined) faults.push({ path: ["outputSchema"], ...fault });
  return faults;
}

type FaultOf = Omit<ManifestFault, "path"> | undefined;

function faultOfWord(word: string, index: number, files: readonly BundleFile[]): FaultOf {
  if (!word.startsWith(bundleRoot)) return undefined;
  const path = word.slice(bundleRoot.length);
  const file = files.find((each) => each.path === path);
  const isFolder = files.some((each) => each.path.startsWith(`${path}/`));
  if (file === undefined && (index === 0 || !isFolder))
    return { rule: `names ${word}, which is not in the bundle`, remedy: "add the file or correct the name" };
  if (index === 0 && file?.isExecutable === false)
    return { rule: `starts ${word}, which is not executable`, remedy: `give it the bit: chmod +x ${path}` };
  return undefined;
}

function faultOfSchema(path: string, files: readonly BundleFile[]): FaultOf {
  if (path === "") return undefined;
  const file = files.find((each) => each.path === path);
  if (file === undefined)
    return { rule: `names ${path}, which is not in the bundle`, remedy: "add the file or leave the field out" };
  if (file.bytes.byteLength > largestSchemaBytes)
    return { rule: `is larger than ${largestSchemaBytes} bytes`, remedy: "make the schema smaller" };
  const schema = parseObject(file.bytes);
  if (schema === undefined)
    return { rule: "must be a JSON Schema that is a JSON object", remedy: `correct the JSON of ${path}` };
  const remote = findRemoteReference(schema);
  if (remote !== undefined)
    return { rule: `refers to ${remote}`, remedy: "refer within the schema only (#/$defs/…): nothing is fetched" };
  const ajv = new Ajv2020({ strict: false, logger: false });
  try {
    if (ajv.validateSchema(schema)) return undefined;
  } catch (error) {
    return { rule: `is not a schema: ${error instanceof Error ? error.message : error}`, remedy: "use draft 2020-12" };
  }
  return { rule: `is not a schema of draft 2020-12: ${ajv.errorsText(ajv.errors)}`, remedy: `correct ${path}` };
}

/** @returns the first reference that leads out of the schema */
function findRemoteReference(value: JsonValue): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const isReference = key === "$ref" || key === "$dynamicRef";
    if (isReference && typeof inner === "string" && !inner.startsWith("#")) return inner;
    const found = findRemoteReference(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}

function parseManifest(bytes: Uint8Array): PersonaManifest {
  const json = parseObject(bytes);
  if (json === undefined) throw new InvalidBundleError(`${manifestPath} must be a JSON object`);
  try {
    return fromJson(PersonaManifestSchema, json);
  } catch (cause) {
    const { path, rule, remedy } = findUnreadableField(PersonaManifestSchema, json, cause);
    throw new InvalidBundleError(`${manifestPath}: ${path.join(".")} ${rule}; ${remedy}`, { cause });
  }
}

function parseObject(bytes: Uint8Array): { [key: string]: JsonValue } | undefined {
  try {
    const json: JsonValue = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof json === "object" && json !== null && !Array.isArray(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

let validator: Validator | undefined;

function violationsOf(manifest: PersonaManifest): string[] {
  validator ??= createValidator();
  const result = validator.validate(PersonaManifestSchema, manifest);
  if (result.kind === "error") throw result.error;
  return result.kind === "valid" ? [] : result.violations.map((violation) => violation.toString());
}
