import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { compilePersona } from "../../src/cli/read/compile-persona.ts";
import type { Applied } from "../../src/cli/read/declarations.ts";
import { applyDeclarations, readDeclarations } from "../../src/cli/read/declarations.ts";
import type { ApiClient } from "../../src/client/api-client.ts";
import { RepositorySchema } from "../../src/gen/workflows_runtime/v1/repository_pb.ts";
import type { RunningStack } from "../up/running-stack.ts";
import { makeDemoRepository } from "./repository.ts";
import type { DemoSettings } from "./settings.ts";
import { declarationsDir, personasDir, repositoryDir } from "./settings.ts";

/**
 * Declares what the demo needs, in order of reference: the repository, which is created in the stack's folder, personas, plans and profiles.
 * @throws ConnectError for an answer that is neither a success nor a conflict
 */
export async function* declareDemo(
  api: ApiClient,
  state: RunningStack,
  { repository }: DemoSettings,
  signal: AbortSignal,
): AsyncGenerator<Applied, void> {
  const id = String(repository.id);
  const made = await makeDemoRepository(repositoryDir, join(state.dir, "repositories", id), signal);
  await api.workflows.putRepository({ repository: fromJson(RepositorySchema, { ...repository, url: made.url }) });
  yield { kind: "Repository", name: id, file: repositoryDir, outcome: "unchanged" };
  for (const folder of readdirSync(personasDir).toSorted()) {
    const file = join(personasDir, folder);
    const { id: persona, version, bundle } = compilePersona(file);
    const applied = { kind: "Persona", name: `${persona}@${version}`, file };
    try {
      const { created } = await api.agents.publishBundle({ bundle });
      yield { ...applied, outcome: created ? "created" : "unchanged" };
    } catch (error) {
      if (!(error instanceof ConnectError) || error.code !== Code.AlreadyExists) throw error;
      yield { ...applied, outcome: "conflict", reason: error.rawMessage };
    }
  }
  yield* applyDeclarations(api, readDeclarations(declarationsDir));
}
