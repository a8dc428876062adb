import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { Argument } from "commander";
import {
  PersonaManifestSchema,
  PersonaSchema,
  PublishBundleResponseSchema,
} from "../../gen/agents/v1/agents_service_pb.ts";
import { encodeTar } from "../../personas/canonical-tar.ts";
import { manifestSource, readBundleFolder } from "../../personas/compile-bundle.ts";
import { InvalidBundleError } from "../../personas/invalid-bundle-error.ts";
import { faultsOfManifest } from "../../personas/manifest.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import { clonePath } from "../clone.ts";
import { readDocuments } from "../read/read-documents.ts";
import { checkMessage, detailOf } from "../read/yaml-message.ts";
import { plain, printList, printMessage, shortTime } from "../show/output.ts";
import { jsonText, print, tint } from "../show/terminal.ts";

/** A persona's folder as it would be published. */
export interface CompiledPersona {
  readonly id: string;
  readonly version: string;
  readonly bundle: Uint8Array;
  /** sha256, lower-case hex, of the bundle. */
  readonly digest: string;
}

const folder = () => new Argument("<folder>", "the persona's folder; its persona.yaml says what it is");

/** `automation persona`: who works in a workspace; published by the digest of its bytes. */
export function registerPersona(program: Command): void {
  const persona = program.command("persona").description("who works in a workspace: publish, list, digest");
  withScope(persona.command("publish").description("check a folder and publish it as an immutable version"))
    .addArgument(folder())
    .action((path: string, options: ScopeOptions) => {
      const { bundle } = compilePersona(path);
      return withApi(options, "admin", async (api, { json }) => {
        const answer = await api.agents.publishBundle({ bundle });
        if (json) return printMessage(PublishBundleResponseSchema, answer);
        const { id = "", version = "", digest = "" } = answer.persona ?? {};
        const outcome = answer.created ? tint("green", "created  ") : "unchanged";
        print(`${outcome}  ${plain(`Persona ${id}@${version}`)}  sha256:${digest}`);
      });
    });
  withScope(persona.command("list").description("list published versions, newest first"))
    .addArgument(new Argument("[persona]", "only this one's versions").default("", "all"))
    .action((personaId: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { personas } = await api.agents.listPersonas({ personaId });
        printList(json, PersonaSchema, { items: personas, hasMore: false }, [
          { title: "PERSONA", of: ({ id }) => id },
          { title: "VERSION", of: ({ version }) => version },
          { title: "SHA256", of: ({ digest }) => digest?.slice(0, 16) },
          { title: "BYTES", of: ({ sizeBytes }) => sizeBytes },
          { title: "TITLE", of: ({ title }) => title },
          { title: "BY", of: ({ publishedBy }) => publishedBy },
          { title: "PUBLISHED", of: ({ publishedAt }) => shortTime(publishedAt) },
        ]);
      }),
    );
  persona
    .command("digest")
    .description("check a folder and say the digest that it would be published under; asks nobody")
    .addArgument(folder())
    .option("--json", "print JSON")
    .action((path: string, { json }: { json?: boolean }) => {
      const { id, version, bundle, digest } = compilePersona(path);
      print(json ? jsonText({ id, version, digest, sizeBytes: bundle.byteLength }) : `sha256:${digest}`);
    });
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
    return { id, version, bundle, digest: createHash("sha256").update(bundle).digest("hex") };
  } catch (error) {
    if (!(error instanceof InvalidBundleError)) throw error;
    throw new CliError(2, `${path} is no persona`, { details: [{ rule: error.message }], cause: error });
  }
}
