import { lastWords } from "../../../../src/text/strangers-text.ts";
import type { Place } from "../area/run-folder.ts";
import type { BoxEnd, BoxLimits } from "../sandbox.ts";

/** What became of a program that tries something in a box. */
export interface Trial {
  readonly end: BoxEnd;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a trial in a box with plenty of everything, unless told less. */
export type RunTrial = (
  argv: readonly string[],
  limits: Partial<BoxLimits>,
  at?: Pick<Place, "workspace" | "home">,
) => Promise<Trial>;

export const endOfTrial = ({ end }: Trial): string => String(end.limit?.name ?? end.signal ?? end.exitCode);

/** For the detail of a claim. */
export const describeTrial = (trial: Trial): string =>
  `it ended with ${endOfTrial(trial)}: ${lastWords(trial.stderr, 500)}`;
