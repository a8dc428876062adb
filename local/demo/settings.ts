import { join } from "node:path";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { CliError } from "../../src/cli/cli-error.ts";
import { cloneDir } from "../../src/cli/clone.ts";
import { readDocuments } from "../../src/cli/read/read-documents.ts";

const demoDir = join(cloneDir, "examples", "demo");
export const declarationsDir = join(demoDir, "declarations");
/** What the demo's repository is made from. */
export const repositoryDir = join(demoDir, "repository");
/** One folder a persona. */
export const personasDir = join(demoDir, "personas");

/** Tenant, org and request of the demo: `examples/demo/demo.yaml`. */
export interface DemoSettings {
  readonly tenant: string;
  readonly org: string;
  readonly profile: string;
  readonly definition: string;
  readonly failingDefinition: string;
  /** The repository to work on, without its URL, which depends on the stack. */
  readonly repository: JsonObject;
  readonly backlogItem: string;
  /** What the Scrum service is asked to request, but tenant, org and profile. */
  readonly ask: JsonObject;
}

/** @throws CliError 2 that names file, field, value, rule and remedy */
export function readDemoSettings(): DemoSettings {
  const file = join(demoDir, "demo.yaml");
  const settings = mapping(readDocuments(file)[0]?.json);
  const ask = mapping(settings.ask);
  const text = (value: JsonValue | undefined, field: string): string => {
    if (typeof value === "string" && value !== "") return value;
    throw new CliError(2, `${file}: ${field} ${JSON.stringify(value) ?? "(absent)"}: must be a text; correct it`);
  };
  return {
    tenant: text(settings.tenant, "tenant"),
    org: text(settings.org, "org"),
    profile: text(settings.profile, "profile"),
    definition: text(settings.definition, "definition"),
    failingDefinition: text(settings.failingDefinition, "failingDefinition"),
    repository: mapping(settings.repository),
    backlogItem: text(ask.backlogItem, "ask.backlogItem"),
    ask,
  };
}

function mapping(json: JsonValue | undefined): JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
}
