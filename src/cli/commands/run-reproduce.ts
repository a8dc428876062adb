import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { Argument } from "commander";
import { withApi } from "../ask/call-api.ts";
import { collectRun } from "../ask/export-run.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { untilInterrupted } from "../interrupt.ts";
import { appliedLine } from "../read/declarations.ts";
import { compareRuns } from "../show/compare-runs.ts";
import { plain, tableLines } from "../show/output.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `automation run reproduce`: asks for an exported run again, in a tenant that is for nothing else. */
export function defineReproduce(run: Command): void {
  withScope(
    run
      .command("reproduce")
      .description(
        "ask for an exported run again, in a scratch tenant, and compare; exit 0 when nothing differs, else 1",
      ),
  )
    .addArgument(new Argument("<file>", "what `run export` wrote; - for standard input"))
    .action(reproduce);
}

async function reproduce(file: string, options: ScopeOptions): Promise<void> {
  const { readRunExport } = await import("../read/run-export.ts");
  const { declareExport, requestAgain } = await import("../ask/declare-export.ts");
  const exported = readRunExport(file);
  const original = exported.described?.run;
  if (original === undefined || original.tenant === options.tenant) {
    const message = `--tenant ${options.tenant}: the run that was exported is of this tenant, whose repository would be replaced and whose runs would be mixed with it`;
    throw new CliError(2, message, { code: "usage", remedy: "name a tenant that is for trying only" });
  }
  await withApi(options, "admin", async (api, { json, tenant }) => {
    const runId = await untilInterrupted(async (signal) => {
      for await (const applied of declareExport(api, exported, { file, signal })) {
        if (applied.outcome === "conflict") throw otherVersion(applied, tenant);
        print(json ? jsonText(applied) : appliedLine(applied));
      }
      const requestId = `rerun-${original.id}-${randomUUID().slice(0, 8)}`;
      const request = requestAgain(exported);
      const started = await api.workflows.startWorkflowRun(
        { requestId, request, correlationId: `rerun-${original.id}` },
        { signal },
      );
      print(json ? jsonText({ runId: started.runId, requestId }) : `run ${started.runId} (request ${requestId})`);
      const { tellRun } = await import("./run-watch.ts");
      await tellRun(api, { runId: started.runId, after: 0n, json, signal });
      return started.runId;
    });
    if (runId === undefined) return;
    const reproduced = await untilInterrupted((signal) => collectRun(api, runId, signal));
    if (reproduced === undefined) return;
    const compared = compareRuns(exported, reproduced);
    if (json) for (const line of compared) print(jsonText(line));
    else {
      const columns = [
        { title: "", of: ({ same }: (typeof compared)[number]) => (same ? "same" : "differs") },
        { title: "OF THE RUN", of: ({ fact }: (typeof compared)[number]) => fact },
        { title: "EXPORTED", of: ({ exported }: (typeof compared)[number]) => exported },
        { title: "REPRODUCED", of: ({ same, reproduced }: (typeof compared)[number]) => (same ? "" : reproduced) },
      ];
      for (const line of tableLines(compared, columns)) print(line);
    }
    const differing = compared.filter(({ same }) => !same).length;
    if (differing > 0)
      throw new CliError(1, `${differing} of ${compared.length} facts differ from run ${original.id}`, {
        code: "differs",
        remedy: "`automation run describe` and `automation artifact get` show the rest",
      });
    if (!json) print(plain(`run ${runId} did as run ${original.id} did`));
  });
}

function otherVersion({ kind, name }: { readonly kind: string; readonly name: string }, tenant: string): CliError {
  return new CliError(1, `tenant ${tenant} has another ${kind} ${name} than the run that was exported`, {
    code: "other_declaration",
    remedy: "versions never change: reproduce the run in another tenant",
  });
}
