import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import { stringify } from "yaml";

/** @param comment - what stands above it, such as the digest of what is stored. @returns a declaration as `automation apply -f` takes it */
export function declarationText<D extends DescMessage>(
  kind: string,
  schema: D,
  spec: MessageInitShape<D>,
  comment: string,
): string {
  const document = { kind, spec: toJson(schema, create(schema, spec)) };
  return `# ${comment}\n${stringify(document, { lineWidth: 0 }).trimEnd()}`;
}
