/** Too many examinations of this party wait already. A later call may succeed. */
export class NoTurnError extends Error {
  override readonly name = "NoTurnError";
  readonly code = "examiners_busy";
  constructor(waiting: number) {
    super(`${waiting} examinations wait already; ask again`);
  }
}

export interface TurnLimits {
  /** Works at once. */
  readonly atOnce: number;
  /** Of them, of one party. */
  readonly ofOne: number;
  /** Works that wait, of one party; a bound of what they hold in memory. */
  readonly waitingOfOne: number;
}

export type TakeTurn = <T>(party: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/**
 * Lets parties take turns: a limited number of works at once, and fewer than that of one party. Next is the party with the fewest running works; among equals, the one whose last turn is longest ago. So
 * another party waits for one work at most, however many works one party has.
 * @returns a function that runs work in its turn. @throws NoTurnError, the signal's reason while it waits, and what the work throws
 */
export function createFairTurns({ atOnce, ofOne, waitingOfOne }: TurnLimits): TakeTurn {
  const parties = new Map<string, Party>();
  let turns = 0;

  const admit = () => {
    const all = [...parties.values()];
    const isFull = all.reduce((sum, { running }) => sum + running, 0) >= atOnce;
    const [next] = all
      .filter(({ waiting, running }) => waiting.length > 0 && running < ofOne)
      .sort((one, other) => one.running - other.running || one.lastTurn - other.lastTurn);
    if (isFull || next === undefined) return;
    turns += 1;
    next.lastTurn = turns;
    next.running += 1;
    next.waiting.shift()?.();
    admit();
  };

  const forgetIdle = (name: string, { running, waiting }: Party) => {
    if (running === 0 && waiting.length === 0) parties.delete(name);
  };

  const untilTurn = (party: Party, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        party.waiting.splice(party.waiting.indexOf(begin), 1);
        reject(signal.reason);
      };
      const begin = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      signal.addEventListener("abort", giveUp, { once: true });
      party.waiting.push(begin);
      admit();
    });

  return async (name, signal, work) => {
    signal.throwIfAborted();
    const party = parties.get(name) ?? { running: 0, lastTurn: 0, waiting: [] };
    parties.set(name, party);
    if (party.waiting.length >= waitingOfOne) throw new NoTurnError(waitingOfOne);
    try {
      await untilTurn(party, signal);
    } catch (error) {
      forgetIdle(name, party);
      throw error;
    }
    try {
      return await work();
    } finally {
      party.running -= 1;
      forgetIdle(name, party);
      admit();
    }
  };
}

interface Party {
  running: number;
  /** Which turn it got last; 0: none. */
  lastTurn: number;
  readonly waiting: (() => void)[];
}
