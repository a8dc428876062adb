import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Argument } from "commander";
import { AttestationSchema } from "../../gen/governance/v1/governance_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import { exportAttestations } from "../ask/export-attestations.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { byItsBeginning, wholeAttestationId, wholeRunId } from "../ask/whole-id.ts";
import { clonePath } from "../clone.ts";
import { factLines, listUpTo, printList, printMessage, shortName, shortTime } from "../show/output.ts";
import { jsonText, print } from "../show/terminal.ts";
import type { KindAndId } from "../usage/options.ts";
import { limitOption, refOption } from "../usage/options.ts";

/** `automation attestation`: signed evidence, to read and to take along. */
export function define(attestation: Command): void {
  registerList(attestation);
  withScope(attestation.command("get").description("show one attestation and its statement"))
    .addArgument(new Argument("<attestation>", `id of the attestation, ${byItsBeginning}`))
    .action((id: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { attestation: found } = await api.governance.getAttestation({ id: await wholeAttestationId(api, id) });
        if (found === undefined) return;
        if (json) return printMessage(AttestationSchema, found);
        const { status, registeredAt, subjects = [], ...rest } = toJson(AttestationSchema, found);
        const lines = factLines([
          ["attestation", rest.id],
          ["kind", rest.kind],
          ["name", rest.name],
          ["outcome", rest.outcome],
          ["status", shortName(status, "ATTESTATION_STATUS_")],
          ["run", rest.runId],
          ["predicate", rest.predicateType],
          ["vantage", rest.vantage],
          ["key", rest.keyId],
          ["statement", `sha256:${rest.statementSha256}`],
          ["subjects", subjects.map(({ name, algorithm, value }) => `${name} ${algorithm}:${value}`).join(", ")],
          ["registered", shortTime(registeredAt)],
        ]);
        for (const line of lines) print(line);
        print(`\n${jsonText(statementOf(found.envelope), 2)}`);
      }),
    );
  withScope(
    attestation.command("export").description("write a run's evidence to a folder, to verify it with other tools"),
  )
    .requiredOption("--run <id>", `the run: its id, ${byItsBeginning}`)
    .requiredOption("--out <dir>", "folder to write to; created if missing")
    .action((options: ScopeOptions & { run: string; out: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        for await (const written of exportAttestations(api, await wholeRunId(api, options.run), options.out))
          print(json ? jsonText(written) : `${written.path}  sha256:${written.sha256}`);
        if (!json) print(`${clonePath("docs", "verify.md")} has the commands that check them with openssl`);
      }),
    );
}

function registerList(attestation: Command): void {
  const command = attestation
    .command("list")
    .description("list registered attestations, newest first")
    .option("--run <id>", `those of a run: its id, ${byItsBeginning}`)
    .addOption(refOption("those of runs with this reference, for example backlog_item:PBI-1"))
    .option("--subject <sha256>", "those about this digest, or its first 4 or more characters")
    .addOption(limitOption());
  withScope(command).action(
    (options: ScopeOptions & { run?: string; ref?: KindAndId; subject?: string; limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const runId = options.run === undefined ? "" : await wholeRunId(api, options.run);
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const { ref: reference, subject: subjectSha256 } = options;
          const page = await api.governance.listAttestations({ runId, reference, subjectSha256, pageSize, pageToken });
          return { items: page.attestations, nextPageToken: page.nextPageToken };
        });
        printList(json, AttestationSchema, listed, [
          { title: "ATTESTATION", of: ({ id }) => id },
          { title: "KIND", of: ({ kind }) => kind },
          { title: "OUTCOME", of: ({ outcome }) => outcome },
          { title: "RUN", of: ({ runId }) => runId },
          { title: "KEY", of: ({ keyId }) => keyId },
          { title: "STATEMENT SHA256", of: ({ statementSha256 }) => statementSha256?.slice(0, 16) },
          { title: "REGISTERED", of: ({ registeredAt }) => shortTime(registeredAt) },
        ]);
      }),
  );
}

function statementOf(envelope: Uint8Array): unknown {
  const { payload }: { payload: string } = JSON.parse(Buffer.from(envelope).toString("utf8"));
  return JSON.parse(Buffer.from(payload, "base64").toString("utf8"));
}
