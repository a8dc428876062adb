import type { Command } from "commander";
import { Argument } from "commander";
import { PersonaSchema, PublishBundleResponseSchema } from "../../gen/agents/v1/agents_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { plain, printList, printMessage, shortTime } from "../show/output.ts";
import { jsonText, print, tint } from "../show/terminal.ts";

const folder = () => new Argument("<folder>", "the persona's folder; its persona.yaml says what it is");

/** `automation persona`: who works in a workspace; published by the digest of its bytes. */
export function define(persona: Command): void {
  withScope(persona.command("publish").description("check a folder and publish it as an immutable version"))
    .addArgument(folder())
    .action(async (path: string, options: ScopeOptions) => {
      const { compilePersona } = await import("../read/compile-persona.ts");
      const { bundle } = compilePersona(path);
      await withApi(options, "admin", async (api, { json }) => {
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
    .description("check a folder and print the digest of its bundle; calls no api")
    .addArgument(folder())
    .option("--json", "print JSON")
    .action(async (path: string, { json }: { json?: boolean }) => {
      const { compilePersona } = await import("../read/compile-persona.ts");
      const { id, version, bundle, digest } = compilePersona(path);
      print(json ? jsonText({ id, version, digest, sizeBytes: bundle.byteLength }) : `sha256:${digest}`);
    });
}
