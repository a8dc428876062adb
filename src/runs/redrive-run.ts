import type { OpenRun } from "./in-run.ts";
import { beginNextGeneration } from "./run-store.ts";

/**
 * Lets a run whose execution is gone begin again: the next generation is startable, and whatever the lost one still sends is refused. The status stays: what was told has happened.
 * Work begins from the base, unless its report stands; a prepared seal goes on from where it is.
 * @param lastGeneration - for the message: how many there are at most
 */
export async function redriveRun({ transaction, run, append }: OpenRun, lastGeneration: number): Promise<void> {
  const next = run.generation + 1;
  await Promise.all([
    beginNextGeneration(transaction, run),
    append([
      {
        writerKey: `redrive/${next}`,
        message: {
          text: `the Temporal workflow of generation ${run.generation} is gone; generation ${next} of at most ${lastGeneration} begins anew`,
        },
      },
    ]),
  ]);
}
