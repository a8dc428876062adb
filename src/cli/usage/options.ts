import { InvalidArgumentError, Option } from "commander";

/** Parsers of option values. They throw usage errors that name option, value and rule. */

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
  return new Option("--limit <n>", `at most this many, ${order}`).default(50).argParser(wholeNumber(1, 10_000));
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

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns a parser of `10m` (ago) or a time, in milliseconds since 1970 */
export function sinceTime(now: () => number): (text: string) => number {
  return (text) => {
    const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
    if (count !== undefined) return now() - Number(count) * (unitMs[unit] ?? 0);
    const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isFinite(at)) return at;
    throw new InvalidArgumentError(
      "Give how long ago, such as 30s, 10m, 2h or 1d, or a time such as 2026-01-31T12:00:00Z.",
    );
  };
}

/** Collects an option that may be given more than once. */
export function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
