import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";

/**
 * The version of the data schema of `RunRequested` that this program knows. A minor version only adds fields or enum names,
 * and a request means the same without them. A major version changes the meaning.
 */
const knownSchema = { major: 1, minor: 0 };

const prefix = "urn:automation:schema:";
const name = `${prefix}run-requested:`;
const remedy = `use ${name}${knownSchema.major}.${knownSchema.minor}, or leave dataschema out, which means the same`;

/**
 * Reads the CloudEvents attribute `dataschema`. Ours is `urn:automation:schema:run-requested:<major>.<minor>`; any other URI is ignored.
 * @returns whether the data may have fields that are not known here
 */
export function readDataSchema(dataSchema: string | undefined): { readonly isNewer: boolean } | Reason {
  if (dataSchema === undefined || !dataSchema.toLowerCase().startsWith(prefix)) return { isNewer: false };
  const [, major, minor] = /:(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/.exec(dataSchema) ?? [];
  if (major === undefined || dataSchema.toLowerCase() !== `${name}${major}.${minor}`)
    return reason("unknown_data_schema", "dataschema", dataSchema, `must be ${name}<major>.<minor>`, remedy);
  if (Number(major) !== knownSchema.major)
    return reason(
      "unknown_data_schema",
      "dataschema",
      dataSchema,
      `must have the major version ${knownSchema.major}`,
      remedy,
    );
  return { isNewer: Number(minor) > knownSchema.minor };
}
