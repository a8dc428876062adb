import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "../../src/cli/cli-error.ts";
import { plain } from "../../src/cli/show/output.ts";
import { jsonText, print, terminalWidth } from "../../src/cli/show/terminal.ts";
import { requireRunningStack } from "../up/running-stack.ts";
import { folderOf } from "../up/state-folder.ts";
import type { Span } from "./otlp-json.ts";
import { waterfall } from "./waterfall.ts";

const widthOfFiles = 120;

/**
 * Prints the spans of a run, as bars over time or as JSON, a span a line.
 * @param traceparent - of the run
 * @throws CliError 1 when the stack keeps none of them
 */
export function showTrace(traceparent: string, { state, json = false }: { state?: string; json?: boolean }): void {
  const { dir } = requireRunningStack(process.cwd(), state);
  const traceId = traceparent.split("-")[1] ?? "";
  const file = join(folderOf(dir).traces, `${traceId}.jsonl`);
  if (!existsSync(file))
    throw new CliError(1, `this stack keeps no spans of trace ${traceId || "(none)"}`, {
      remedy:
        "with OTEL_EXPORTER_OTLP_ENDPOINT set they are at that collector; without, the newest 500 traces are kept, and a span comes up to 5 s after its end",
    });
  const spans = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Span => JSON.parse(line));
  if (json) for (const span of spans) print(jsonText(span));
  else for (const line of waterfall(spans, terminalWidth() ?? widthOfFiles)) print(plain(line));
}
