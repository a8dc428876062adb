import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { equals } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ApiClient } from "../../client/api-client.ts";
import { ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import { RepositorySchema } from "../../gen/workflows_runtime/v1/repository_pb.ts";
import { WorkflowRuleSchema } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { PublishWorkflowVersionRequestSchema } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import { toCliError } from "../report-failure.ts";
import { listUpTo, plain } from "../show/output.ts";
import { tint } from "../show/terminal.ts";
import type { YamlDocument } from "./read-documents.ts";
import { readDocuments } from "./read-documents.ts";
import { checkMessage, detailOf } from "./yaml-message.ts";

/** The outcome of a declaration. Conflict: this version exists with other content, and versions are immutable. */
export type Outcome = "created" | "unchanged" | "replaced" | "conflict";

/** A checked declaration, ready to be sent. */
export interface Declaration {
  readonly kind: string;
  readonly name: string;
  readonly file: string;
  /** Where the document begins. */
  readonly line: number;
  readonly send: (api: ApiClient) => Promise<Outcome>;
}

export interface Applied extends Pick<Declaration, "kind" | "name" | "file"> {
  readonly outcome: Outcome;
  /** Why, for a conflict. */
  readonly reason?: string;
}

type Read = (source: YamlDocument) => Pick<Declaration, "name" | "send"> | { readonly faults: readonly Detail[] };

/** Kinds of declarations in the order they are sent: referenced ones first. */
const kinds: Readonly<Record<string, Read>> = {
  Repository: kind(RepositorySchema, {
    nameOf: ({ id }) => id,
    send: async (api, repository) => {
      const known = await findListed(
        async (pageSize, pageToken) => {
          const page = await api.workflows.listRepositories({ pageSize, pageToken });
          return { items: page.repositories, nextPageToken: page.nextPageToken };
        },
        ({ id }) => id === repository.id,
      );
      if (known !== undefined && equals(RepositorySchema, known, repository)) return "unchanged";
      await api.workflows.putRepository({ repository });
      return known === undefined ? "created" : "replaced";
    },
  }),
  WorkflowDefinition: kind(PublishWorkflowVersionRequestSchema, {
    nameOf: ({ definitionId, version }) => `${definitionId}@${version}`,
    send: async (api, version) => createdOr((await api.workflows.publishWorkflowVersion(version)).created),
  }),
  MethodologyProfile: kind(ProfileSchema, {
    nameOf: ({ id, version }) => `${id}@${version}`,
    send: async (api, profile) => createdOr((await api.profiles.publishProfile({ profile })).created),
  }),
  WorkflowRule: kind(WorkflowRuleSchema, {
    nameOf: ({ id }) => id,
    send: async (api, rule) => {
      const { version, created } = await api.workflows.putWorkflowRule({ rule });
      if (!created) return "unchanged";
      return version === 1 ? "created" : "replaced";
    },
  }),
};

async function findListed<T>(page: Parameters<typeof listUpTo<T>>[1], isIt: (item: T) => boolean) {
  const { items } = await listUpTo(Number.POSITIVE_INFINITY, page);
  return items.find(isIt);
}

const createdOr = (created: boolean): Outcome => (created ? "created" : "unchanged");

function kind<D extends DescMessage>(
  schema: D,
  how: {
    readonly nameOf: (spec: MessageShape<D>) => string;
    readonly send: (api: ApiClient, spec: MessageShape<D>) => Promise<Outcome>;
  },
): Read {
  return (source) => {
    const checked = checkMessage(schema, source, ["spec"]);
    if ("faults" in checked) return checked;
    return { name: how.nameOf(checked.message), send: (api) => how.send(api, checked.message) };
  };
}

/**
 * Reads and checks every document before anything is sent.
 * @param paths - files, folders of .yaml and .yml files, `-` for standard input
 * @throws CliError 2 with one line per fault
 */
export function readDeclarations(...paths: readonly string[]): Declaration[] {
  const documents = paths.flatMap(filesOf).flatMap(readDocuments);
  if (documents.length === 0)
    throw new CliError(
      2,
      `${paths.map((path) => (path === "-" ? "standard input" : path)).join(", ")} holds no document`,
      { remedy: "add one with kind and spec" },
    );
  const details: Detail[] = [];
  const declarations = documents.flatMap((source) => {
    const found = readDeclaration(source);
    if (!("faults" in found)) return [found];
    details.push(...found.faults);
    return [];
  });
  if (details.length > 0) throw new CliError(2, "nothing was applied", { details });
  const order = Object.keys(kinds);
  return declarations.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

/**
 * Sends declarations one after the other; a conflict does not stop the next ones.
 * @throws CliError that names the document, when the api refuses it for what it says
 * @throws ConnectError for any other answer that is not a success
 */
export async function* applyDeclarations(
  api: ApiClient,
  declarations: readonly Declaration[],
): AsyncGenerator<Applied, void> {
  for (const declaration of declarations) {
    const { kind, name, file, send } = declaration;
    try {
      yield { kind, name, file, outcome: await send(api) };
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (error.code === Code.AlreadyExists) yield { kind, name, file, outcome: "conflict", reason: error.rawMessage };
      else throw refusesDocument.has(error.code) ? refused(declaration, error) : error;
    }
  }
}

const refusesDocument: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.FailedPrecondition]);

function refused({ kind, name, file, line }: Declaration, error: ConnectError): CliError {
  const { code, exitCode } = toCliError(error);
  return new CliError(exitCode, `the api refuses ${kind} ${name}`, {
    code,
    remedy: "correct it and apply again: what comes after it was not sent",
    details: [{ file, line, rule: error.rawMessage }],
    cause: error,
  });
}

function filesOf(path: string): string[] {
  if (path === "-") return [path];
  let names: string[];
  try {
    if (!statSync(path).isDirectory()) return [path];
    names = readdirSync(path).filter((name) => /\.ya?ml$/.test(name));
  } catch (cause) {
    throw new CliError(2, `${path} can't be read (${(cause as NodeJS.ErrnoException).code}); name a file or folder`, {
      cause,
    });
  }
  if (names.length === 0) throw new CliError(2, `${path} holds no .yaml file; name another folder or a file`);
  return names.toSorted().map((name) => join(path, name));
}

function readDeclaration(source: YamlDocument): Declaration | { readonly faults: readonly Detail[] } {
  const { json, file } = source;
  const document: { readonly [key: string]: JsonValue } =
    typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
  const unknown = Object.keys(document).find((key) => key !== "kind" && key !== "spec");
  if (unknown !== undefined) {
    const fault = { path: [unknown], rule: "a document has kind and spec only", remedy: "move it below spec" };
    return { faults: [detailOf(source, fault)] };
  }
  const { kind } = document;
  const read = typeof kind === "string" && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (read === undefined || typeof kind !== "string") {
    const fault = {
      path: ["kind"],
      rule: "must be a kind that can be declared",
      remedy: `use one of ${Object.keys(kinds).join(", ")}`,
    };
    return { faults: [detailOf(source, fault)] };
  }
  const found = read(source);
  return "faults" in found ? found : { kind, file, line: source.lineOf(["kind"]), ...found };
}

const colours: Partial<Record<Outcome, "green" | "red">> = { created: "green", replaced: "green", conflict: "red" };

/** @returns `created    MethodologyProfile scrum-team@1` */
export function appliedLine({ kind, name, outcome, reason }: Applied): string {
  const colour = colours[outcome];
  const padded = outcome.padEnd(9);
  const why = reason === undefined ? "" : `: ${reason}`;
  return `${colour === undefined ? padded : tint(colour, padded)}  ${plain(`${kind} ${name}${why}`)}`;
}
