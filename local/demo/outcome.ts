import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { CliError } from "../../src/cli/cli-error.ts";
import { plain, tableLines } from "../../src/cli/show/output.ts";
import { tint } from "../../src/cli/show/terminal.ts";
import type { ApiClient } from "../../src/client/api-client.ts";
import { AttestationSchema } from "../../src/gen/governance/v1/governance_service_pb.ts";
import { HandoffState } from "../../src/gen/workflows_runtime/v1/handoff_call_pb.ts";
import type { Screen } from "../screen.ts";
import { diffLines } from "./diff-lines.ts";
import type { DemoScrum } from "./scrum-board.ts";
import { boardLines, boardOf } from "./scrum-board.ts";
import type { DemoSettings } from "./settings.ts";

const handoverLimitMs = 120_000;
const patchLimitMs = 60_000;
const pollMs = 100;

/** A running demo. */
export interface Demo {
  readonly api: ApiClient;
  readonly scrum: DemoScrum;
  readonly settings: DemoSettings;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly stackEnds: boolean;
}

/** Waits until the methodology has answered every call about the run; prints those without an answer in time. */
export async function settle(
  { api, screen, signal }: Demo,
  runId: string,
): Promise<{ reason: string; hasImpediment: boolean }> {
  const giveUpAt = performance.now() + handoverLimitMs;
  for (;;) {
    const { run, handoffCalls, impediment } = await api.workflows.describeWorkflowRun({ runId }, { signal });
    const due = handoffCalls.filter(({ state }) => state === HandoffState.DUE);
    if (due.length === 0 || performance.now() >= giveUpAt) {
      for (const { rpc, lastError } of due) {
        const why = lastError === "" ? "it has not answered yet" : lastError;
        screen.tell("due", plain(`hand-off to Scrum: ${rpc} is still due: ${why}`), { rpc, lastError });
      }
      return { reason: run?.reason ?? "", hasImpediment: (impediment?.remoteId ?? "") !== "" };
    }
    await sleep(pollMs, undefined, { signal });
  }
}

/** Prints the stored patch of the run. */
export async function tellPatch({ api, screen, signal }: Demo, runId: string): Promise<void> {
  const { artifacts } = await api.artifacts.listArtifacts({ runId }, { signal });
  const patch = artifacts.find(({ kind }) => kind === "patch");
  if (patch === undefined) return;
  const { url } = await api.artifacts.getArtifactUrl({ artifactId: patch.id }, { signal });
  const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(patchLimitMs)]) });
  if (!answer.ok) throw new CliError(3, `the object store answered ${answer.status} for ${patch.name}`);
  const text = await answer.text();
  screen.tell("patch", under(`what was changed (${patch.name}, sha256:${patch.sha256})`, diffLines(text)), {
    patch: text,
  });
}

export async function tellAttestations({ api, screen, signal }: Demo, runId: string): Promise<void> {
  const { attestations } = await api.governance.listAttestations({ runId }, { signal });
  const rows = attestations
    .map((attestation) => toJson(AttestationSchema, attestation))
    .toSorted((a, b) => (a.name ?? "").localeCompare(b.name ?? ""));
  const lines = tableLines(
    rows,
    [
      { title: "NAME", of: ({ name }) => name },
      { title: "OUTCOME", of: ({ outcome }) => outcome },
      { title: "KEY", of: ({ keyId }) => keyId },
      { title: "STATEMENT SHA256", of: ({ statementSha256 }) => statementSha256?.slice(0, 16) },
    ],
    2,
  );
  screen.tell("attestations", under("attestations, signed and registered with the end", lines), { attestations: rows });
}

export async function tellBoard({ scrum, screen, settings, signal }: Demo, runId: string): Promise<void> {
  const { tenant, backlogItem } = settings;
  const held = boardOf(await scrum.board(signal), tenant, backlogItem, runId);
  screen.tell("scrum", under(`what the Scrum service holds for ${backlogItem}`, boardLines(held, runId)), { held });
}

/** @returns a heading with indented lines below it */
export function under(title: string, lines: readonly string[]): string {
  return [`\n${tint("bold", title)}`, ...lines.map((line) => `  ${line}`)].join("\n");
}
