import { setTimeout as sleep } from "node:timers/promises";
import type { EngineProcess, Exit } from "../engines/process.ts";

/** A process that the supervisor keeps running. */
export interface Unit {
  name: string;
  /** Starts it and resolves when it is ready. */
  start(signal: AbortSignal): Promise<EngineProcess>;
  /** Asked to see that the event loop runs; any status counts. A process that does not answer is restarted. */
  healthUrl?: string;
}

export interface Supervisor {
  /** Resolves when the unit is ready for the first time; rejects when it cannot be started. Afterwards it is kept running. */
  run(unit: Unit): Promise<void>;
  running(): { name: string; pid: number }[];
  /**
   * Ends all at once; each has `graceMs` before it is killed.
   */
  stop(graceMs: number): Promise<void>;
}

export interface SupervisorDeps {
  /** One line for the screen. */
  report: (name: string, line: string) => void;
  /** How long a process may give no answer before it counts as hung. */
  silenceMs: number;
}

const firstPauseMs = 250;
const longestPauseMs = 10_000;
/** After running this long, the pauses begin at the shortest again. */
const steadyMs = 30_000;
/** A process is asked ten times within the silence it is allowed. */
const looksPerSilence = 10;

/**
 * Keeps processes running: one that ends is reported and restarted after a pause, which doubles from 0.25 s to 10 s while it keeps ending.
 */
export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { report } = deps;
  const stopping = new AbortController();
  const running = new Map<string, EngineProcess>();
  const work: Promise<unknown>[] = [];

  const begin = async (unit: Unit): Promise<EngineProcess> => {
    const started = await unit.start(stopping.signal);
    running.set(unit.name, started);
    if (stopping.signal.aborted) await started.stop();
    return started;
  };

  /** @returns undefined when all is to stop */
  const beginAgain = async (unit: Unit, attempt: number): Promise<EngineProcess | undefined> => {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt);
    try {
      await sleep(pauseMs, undefined, { signal: stopping.signal });
      const started = await begin(unit);
      report(unit.name, `${unit.name} is back (pid ${started.pid})`);
      return started;
    } catch (error) {
      if (stopping.signal.aborted) return undefined;
      report(unit.name, `${unit.name} does not start: ${error instanceof Error ? error.message : String(error)}`);
      return await beginAgain(unit, attempt + 1);
    }
  };

  const keep = async (unit: Unit, first: EngineProcess): Promise<void> => {
    let current = first;
    let attempt = 0;
    for (;;) {
      const began = performance.now();
      const exit = await lifeOf(unit, current, deps, stopping.signal);
      running.delete(unit.name);
      if (stopping.signal.aborted) return;
      if (performance.now() - began > steadyMs) attempt = 0;
      report(unit.name, `${unit.name} ended (${inWords(exit)}); starting it again`);
      const started = await beginAgain(unit, attempt);
      if (started === undefined) return;
      current = started;
      attempt += 1;
    }
  };

  return {
    run: async (unit) => {
      const starting = begin(unit);
      work.push(starting);
      work.push(keep(unit, await starting));
    },
    running: () => [...running.values()].map(({ name, pid }) => ({ name, pid })),
    stop: async (graceMs) => {
      stopping.abort();
      await Promise.all([...running.values()].map((process) => process.stop(graceMs)));
      await Promise.allSettled(work);
    },
  };
}

const inWords = ({ code, signal }: Exit) => (signal === null ? `exit code ${code}` : `killed by ${signal}`);

/** Waits for the end of a process; kills it when it does not answer for too long. */
async function lifeOf(
  unit: Unit,
  process: EngineProcess,
  { report, silenceMs }: SupervisorDeps,
  signal: AbortSignal,
): Promise<Exit> {
  const ended = new AbortController();
  const watch = AbortSignal.any([ended.signal, signal]);
  const watching = untilSilent(unit.healthUrl, silenceMs, watch).then(async (isSilent) => {
    if (!isSilent || watch.aborted) return;
    report(unit.name, `${unit.name} did not answer ${unit.healthUrl} for ${silenceMs / 1_000} s; ending it`);
    await process.stop(1_000);
  });
  const exit = await process.exited;
  ended.abort();
  await watching;
  return exit;
}

/**
 * Waits until there was no answer for the whole time. One more check then decides, since this process itself may have been suspended.
 * @returns false when there is no more need to look
 */
async function untilSilent(url: string | undefined, silenceMs: number, signal: AbortSignal): Promise<boolean> {
  if (url === undefined) return false;
  const everyMs = silenceMs / looksPerSilence;
  let heardAt = performance.now();
  for (;;) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return false;
    if (await ticks(url, silenceMs, signal)) heardAt = performance.now();
    else if (performance.now() - heardAt >= silenceMs && !(await ticks(url, everyMs, signal))) return !signal.aborted;
  }
}

async function ticks(url: string, limitMs: number, signal: AbortSignal): Promise<boolean> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  return fetch(url, { signal: limited }).then(
    async (answer) => {
      await answer.body?.cancel();
      return true;
    },
    () => false,
  );
}
