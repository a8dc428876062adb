import { createWriteStream, existsSync, renameSync, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { Argument } from "commander";
import { ArtifactSchema } from "../gen/automation/v1/artifact_pb.ts";
import { withApi } from "./call-api.ts";
import { CliError } from "./cli-error.ts";
import type { NamedArtifact } from "./fetch-artifact.ts";
import { fetchArtifact } from "./fetch-artifact.ts";
import { printList, shortTime } from "./output.ts";
import type { ScopeOptions } from "./scope.ts";
import { withScope } from "./scope.ts";
import { jsonText, print, visiblePieces } from "./terminal.ts";

/** `automation artifact`: what runs left behind, byte for byte. */
export function registerArtifact(program: Command): void {
  const artifact = program.command("artifact").description("what a run left behind: list, get");
  withScope(artifact.command("list").description("list a run's artifacts; there are none before its end is sealed"))
    .requiredOption("--run <id>", "the run")
    .action((options: ScopeOptions & { run: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { artifacts } = await api.workflows.listArtifacts({ runId: options.run });
        printList(json, ArtifactSchema, { items: artifacts, hasMore: false }, [
          { title: "ARTIFACT", of: ({ id }) => id },
          { title: "KIND", of: ({ kind }) => kind },
          { title: "NAME", of: ({ name }) => name },
          { title: "BYTES", of: ({ sizeBytes }) => sizeBytes },
          { title: "SHA256", of: ({ sha256 }) => sha256?.slice(0, 16) },
          { title: "CREATED", of: ({ createdAt }) => shortTime(createdAt) },
        ]);
      }),
    );
  withScope(artifact.command("get").description("get an artifact and check that it has the size and sha256 it should"))
    .addArgument(new Argument("<artifact>", "id of the artifact"))
    .option("--out <file>", "file to write to, which must not exist yet; else standard output")
    .action((artifactId: string, options: ScopeOptions & { out?: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { out } = options;
        if (out !== undefined) assertFree(out);
        const { url, artifact: named } = await api.workflows.getArtifactUrl({ artifactId });
        if (named === undefined)
          throw new CliError(1, `the api names no artifact for ${artifactId}; tell its operator`);
        if (out === undefined) return toStandardOutput(url, named);
        await writeArtifact(url, named, out);
        const { name, sha256 } = named;
        print(json ? jsonText({ path: out, name, sha256 }) : `${out}  sha256:${sha256}`);
      }),
    );
}

/**
 * Writes an artifact to a new file; the file is there only when all of it is and was checked.
 * @throws CliError 1 when the store has other bytes · 2 when the file can't be made · 3 when the store does not answer
 */
export async function writeArtifact(url: string, artifact: NamedArtifact, out: string): Promise<void> {
  assertFree(out);
  const part = `${out}.part`;
  try {
    await pipeline(Readable.from(fetchArtifact(url, artifact)), createWriteStream(part, { flags: "wx" }));
    assertFree(out);
    renameSync(part, out);
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new CliError(2, `${part} exists: another command writes it, or was stopped while it did; remove it then`, {
        cause,
      });
    rmSync(part, { force: true });
    throw syscall === undefined ? cause : Object.assign(cause as Error, { path: out });
  }
}

/** What was printed can't be taken back; the exit code and the last line on standard error say whether it was right. A terminal gets it visible, all else byte for byte. */
async function toStandardOutput(url: string, artifact: NamedArtifact): Promise<void> {
  const pieces = fetchArtifact(url, artifact);
  await pipeline(Readable.from(process.stdout.isTTY ? visiblePieces(pieces) : pieces), process.stdout, { end: false });
}

function assertFree(out: string): void {
  if (existsSync(out)) throw new CliError(2, `${out} exists and is not overwritten; name another file with --out`);
}
