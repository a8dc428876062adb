import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import { stringify } from "yaml";

/** @returns a declaration as `automation apply -f` takes it, below a comment with the digest of what is stored */
export function declarationText<D extends DescMessage>(
  kind: string,
  schema: D,
  spec: MessageInitShape<D>,
  digest: string,
): string {
  const document = { kind, spec: toJson(schema, create(schema, spec)) };
  return `# sha256:${digest}\n${stringify(document, { lineWidth: 0 }).trimEnd()}`;
}
