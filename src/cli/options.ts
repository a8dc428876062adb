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

/** `--limit N` @param order - which ones are first */
export function limitOption(order = "newest first"): Option {
  return new Option("--limit <n>", `at most so many, ${order}`).default(50).argParser(wholeNumber(1, 10_000));
}

/** @returns a parser of whole numbers from `least` to `most` */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** @returns both parts of `ID@VERSION`; the version is empty when none is named */
export function idAndVersion(text: string): { id: string; version: string } {
  const at = text.indexOf("@");
  return at === -1 ? { id: text, version: "" } : { id: text.slice(0, at), version: text.slice(at + 1) };
}

/** Collects an option that may be given more than once. */
export function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
