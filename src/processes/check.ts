import { setTimeout as sleep } from "node:timers/promises";
import type { CheckReport } from "../check/check.ts";
import { check } from "../check/check.ts";
import { createKeptObjects, createNamedObjects } from "../check/objects.ts";
import { walkOfRuns } from "../check/page-store.ts";
import type { Survey } from "../check/survey.ts";
import { createWatch } from "../check/watch.ts";
import { readEnvironment } from "../config/environment.ts";
import { programVersion } from "../config/program-version.ts";
import { serveHealth } from "../telemetry/health.ts";
import { createLog } from "../telemetry/log.ts";
import { observeCheck } from "../telemetry/metrics/check-metrics.ts";
import { startTelemetry } from "../telemetry/start-telemetry.ts";
import { openStores } from "./open-stores.ts";

/** What was found, and what was not looked at and why. */
export type CheckedStores = CheckReport & { readonly leftOut: readonly string[] };

/** Looks once at what the environment names. @param wanted.signal - ends it after the page at hand */
export async function main(
  source: NodeJS.ProcessEnv,
  wanted: { readonly since?: Date | undefined; readonly signal: AbortSignal },
): Promise<CheckedStores> {
  const stores = openStores(source);
  try {
    return await lookAt(stores, wanted);
  } finally {
    await stores.close();
  }
}

/**
 * Looks round after round until the signal, and serves what it finds as metrics. A round that fails is told and made again.
 * @param wanted.limitMs - of one round
 * @returns the report of each round, or why there is none
 */
export async function* watch(
  source: NodeJS.ProcessEnv,
  wanted: { readonly everyMs: number; readonly limitMs: number; readonly signal: AbortSignal },
): AsyncGenerator<CheckedStores | Error> {
  const environment = readEnvironment("watch", source);
  const log = createLog("check", environment.AUTOMATION_LOG_LEVEL);
  const telemetry = startTelemetry("check", programVersion(), environment, log);
  const stores = openStores(source);
  const rounds = createWatch(new Date());
  observeCheck(() => {
    const { invariants, endedAt } = rounds.standing();
    return { invariants, ageSeconds: (Date.now() - endedAt.getTime()) / 1_000 };
  });
  let standing: true | string = "it has not looked";
  const health = await serveHealth({
    address: environment.AUTOMATION_HEALTH_ADDRESS,
    telemetry,
    check: async () => ({ check: standing }),
  });
  try {
    while (!wanted.signal.aborted) {
      const began = new Date();
      const since = rounds.nextSince(began);
      const signal = AbortSignal.any([wanted.signal, AbortSignal.timeout(wanted.limitMs)]);
      const report = await lookAt(stores, { since, signal }).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      );
      if (wanted.signal.aborted) return;
      if (report instanceof Error) standing = report.message;
      else {
        rounds.ended(report, since, began, new Date());
        standing = report.isWhole || "a round takes longer than its time limit";
      }
      yield report;
      await sleep(wanted.everyMs, undefined, { signal: wanted.signal }).catch(() => undefined);
    }
  } finally {
    await Promise.allSettled([stores.close(), health.close(), telemetry.close()]);
  }
}

async function lookAt(
  { snapshot, objects }: ReturnType<typeof openStores>,
  wanted: { readonly since?: Date | undefined; readonly signal: AbortSignal },
): Promise<CheckedStores> {
  const surveys: Survey[] = [];
  const leftOut: string[] = [];
  if (objects === undefined) leftOut.push("the object store: AUTOMATION_S3_ENDPOINT is not set");
  else {
    surveys.push(createKeptObjects({ snapshot, objects }, walkOfRuns(wanted.since)));
    if (wanted.since === undefined) surveys.push(createNamedObjects({ snapshot, objects, now: () => new Date() }));
    else leftOut.push("objects that nothing names: only a check of everything looks for them");
  }
  return { ...(await check({ snapshot, surveys }, wanted)), leftOut };
}
