import { InvalidArgumentError, Option } from "commander";

/** Parsers of option values; a wrong one is a usage error that names option, value and rule. */

export interface KindAndId {
  readonly kind: string;
  readonly id: string;
}

/** `--ref KIND:ID` */
export function refOption(description: string): Option {
  return new Option("--ref <kind:id>", description).argParser((text): KindAndId => {
    const [, kind, id] = /^([a-z][a-z0-9_]{0,62}):(.{1,200})$/u.exec(text) ?? [];
    if (kind === undefined || id === undefined)
      throw new InvalidArgumentError("Give KIND:ID, for example sprint:S-7 or backlog_item:PBI-1.");
    return { kind, id };
  });
}

/** `--limit N` */
export function limitOption(): Option {
  return new Option("--limit <n>", "at most so many, newest first").default(50).argParser(wholeNumber(1, 10_000));
}

/** @returns a parser of whole numbers from `least` to `most` */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** Collects an option that may be given more than once. */
export function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
