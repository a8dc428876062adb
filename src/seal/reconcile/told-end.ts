/** The end of a run that its workflow was told. */
export interface ToldEnd {
  /** Such as `COMPLETED`. */
  readonly outcome: string;
  /** Of the run's last event; 0 when the version that told it did not say. */
  readonly lastSequence: number;
}

/** As the detail of a finding, for people and for `readToldEnd`. */
export const toldEndText = ({ outcome, lastSequence }: ToldEnd): string => `${outcome} at event ${lastSequence}`;

/** @returns undefined for any other text */
export function readToldEnd(text: string): ToldEnd | undefined {
  const [, outcome, lastSequence] = /^([A-Z_]+) at event (\d+)$/.exec(text) ?? [];
  return outcome === undefined ? undefined : { outcome, lastSequence: Number(lastSequence) };
}
