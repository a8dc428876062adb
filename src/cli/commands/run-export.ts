import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Argument } from "commander";
import { RunExportSchema } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import { canonicalJson } from "../../text/canonical-json.ts";
import { visibleJson } from "../../text/strangers-text.ts";
import { withApi } from "../ask/call-api.ts";
import { exportRun } from "../ask/export-run.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { byItsBeginning, wholeRunId } from "../ask/whole-id.ts";
import { CliError } from "../cli-error.ts";
import { untilInterrupted } from "../interrupt.ts";
import { exportLimitBytes } from "../read/run-export.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `automation run export`: a run that has ended, as `automation run reproduce` takes it. */
export function defineExport(run: Command): void {
  withScope(run.command("export").description("write what it takes to reproduce a run that has ended, as JSON"))
    .addArgument(new Argument("<run>", `id of the run, ${byItsBeginning}`))
    .option("--out <file>", "file to write to, which must not exist; default and -: standard output")
    .action((run: string, options: ScopeOptions & { out?: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const runId = await wholeRunId(api, run);
        const exported = await untilInterrupted((signal) => exportRun(api, runId, signal));
        if (exported === undefined) return;
        const text = visibleJson(canonicalJson(toJson(RunExportSchema, exported)));
        const bytes = Buffer.from(`${text}\n`);
        if (bytes.byteLength > exportLimitBytes)
          throw new CliError(1, `the export of run ${runId} has ${bytes.byteLength} bytes; 64 MiB are the limit`, {
            code: "too_large",
            remedy: "look at its parts: `automation run describe`, `automation artifact get`",
          });
        const { out = "-" } = options;
        if (out === "-") return print(text);
        writeFileSync(out, bytes, { flag: "wx" });
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        print(json ? jsonText({ path: out, sha256 }) : `${out}  sha256:${sha256}`);
      }),
    );
}
