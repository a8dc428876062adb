import { createWriteStream, existsSync, renameSync, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { Argument } from "commander";
import type { ApiClient } from "../../client/api-client.ts";
import { ArtifactSchema } from "../../gen/automation/v1/artifact_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { NamedArtifact } from "../ask/fetch-artifact.ts";
import { fetchArtifact } from "../ask/fetch-artifact.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { byItsBeginning, wholeArtifactId, wholeRunId } from "../ask/whole-id.ts";
import { CliError } from "../cli-error.ts";
import { printList, shortTime } from "../show/output.ts";
import { jsonText, print, visiblePieces } from "../show/terminal.ts";

/** `automation artifact`: what runs left behind, byte for byte. */
export function define(artifact: Command): void {
  withScope(artifact.command("list").description("list a run's artifacts; there are none before its end is sealed"))
    .requiredOption("--run <id>", `the run: its id, ${byItsBeginning}`)
    .action((options: ScopeOptions & { run: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { artifacts } = await api.artifacts.listArtifacts({ runId: await wholeRunId(api, options.run) });
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
  withScope(artifact.command("get").description("download an artifact and check its size and sha256"))
    .addArgument(new Argument("<artifact>", `id of the artifact, ${byItsBeginning}; with --run its name`))
    .option("--run <id>", `the run of the artifact: its id, ${byItsBeginning}`)
    .option("--out <file>", "file to write to, which must not exist; default and -: standard output")
    .action((artifact: string, options: ScopeOptions & { run?: string; out?: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const out = options.out === "-" ? undefined : options.out;
        if (out !== undefined) assertFree(out);
        const artifactId =
          options.run === undefined
            ? await wholeArtifactId(api, artifact)
            : await idOfName(api, await wholeRunId(api, options.run), artifact);
        const { url, artifact: named } = await api.artifacts.getArtifactUrl({ artifactId });
        if (named === undefined)
          throw new CliError(1, `the api names no artifact for ${artifactId}; tell its operator`);
        if (out === undefined) return toStandardOutput(url, named);
        await writeArtifact(url, named, out);
        const { name, sha256 } = named;
        print(json ? jsonText({ path: out, name, sha256 }) : `${out}  sha256:${sha256}`);
      }),
    );
}

/** @throws CliError 2 with the names there are */
async function idOfName(api: ApiClient, runId: string, name: string): Promise<string> {
  const { artifacts } = await api.artifacts.listArtifacts({ runId });
  const found = artifacts.find((artifact) => artifact.name === name);
  if (found !== undefined) return found.id;
  const what = `run ${runId} left no artifact ${JSON.stringify(name)}`;
  if (artifacts.length === 0)
    throw new CliError(2, `${what}, nor any other`, {
      code: "not_found",
      remedy: "there are none before its end is sealed",
    });
  const details = artifacts.map((artifact) => ({ field: artifact.name }));
  throw new CliError(2, what, { code: "not_found", remedy: "name one of these", details });
}

/**
 * Writes an artifact to a new file, which appears only when it is complete and its digest is right.
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

/** Prints before the digest is known; exit code and standard error tell whether it was right. A terminal gets escaped text, anything else the exact bytes. */
async function toStandardOutput(url: string, artifact: NamedArtifact): Promise<void> {
  const pieces = fetchArtifact(url, artifact);
  await pipeline(Readable.from(process.stdout.isTTY ? visiblePieces(pieces) : pieces), process.stdout, { end: false });
}

function assertFree(out: string): void {
  if (existsSync(out)) throw new CliError(2, `${out} exists and is not overwritten; name another file with --out`);
}
