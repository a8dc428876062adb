import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { RunRequested } from "../../gen/automation/v1/run_requested_pb.ts";
import { MethodologyContextSchema, RunRequestedSchema } from "../../gen/automation/v1/run_requested_pb.ts";
import { CliError } from "../cli-error.ts";
import type { YamlDocument } from "./read-documents.ts";
import { parseDocuments, readDocuments } from "./read-documents.ts";
import { checkMessage } from "./yaml-message.ts";

/** What the options of `automation run start` say in place of a file. */
export interface RequestOptions {
  readonly profile?: string;
  readonly definition?: string;
  readonly repository?: string;
  readonly ref?: string;
  readonly context?: string;
  readonly workKind?: string;
  readonly goal?: string;
}

/** @throws CliError 2 with every fault of the file */
export function requestOfFile(file: string): RunRequested {
  return messageOf(RunRequestedSchema, readDocuments(file), file);
}

/** @throws CliError 2 with every fault of the context */
export function requestOfOptions(options: RequestOptions): RunRequested {
  const { profile, definition, repository, ref, context = "", workKind, goal } = options;
  const request: MessageInitShape<typeof RunRequestedSchema> = {
    ...(definition === undefined ? {} : { definition: { id: definition } }),
    ...(repository === undefined ? {} : { repository: { id: repository, ref } }),
    profile: { id: profile },
    context: messageOf(MethodologyContextSchema, parseDocuments(context, "--context"), "--context"),
    workKind,
    goal,
  };
  return create(RunRequestedSchema, request);
}

function messageOf<D extends DescMessage>(schema: D, [document, second]: YamlDocument[], source: string) {
  if (document === undefined || second !== undefined)
    throw new CliError(2, `${source} must hold exactly one document, a ${schema.name}`);
  const checked = checkMessage(schema, document, []);
  if ("faults" in checked) throw new CliError(2, "nothing was asked for", { details: checked.faults });
  return checked.message;
}
