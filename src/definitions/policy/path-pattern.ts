import type { FoldedName } from "./fold-name.ts";
import { foldName, foldText, shortNameOf } from "./fold-name.ts";

/**
 * A path rule made ready to be compared, name by name. Between two names it is at some of its places: at place n its first n parts fit what came before.
 * A path fits when its last name leads to `end`. Each step looks at one part and one name, so a comparison takes places × names steps, whatever both hold.
 */
export interface PathPattern<Name> {
  readonly start: readonly number[];
  readonly end: number;
  /** @returns the places that one more name leads to from a place */
  step(place: number, name: Name): readonly number[];
}

/** The rule as it is written: for what is allowed. `src/**` is everything below `src`. */
export function exactPattern(pattern: string): PathPattern<string> {
  return patternOf(partsOf(pattern), (part) => {
    const pieces = part.split("*");
    return (name) => fitsPieces(pieces, name);
  });
}

/** The rule over everything that a checkout may take for what is written: for what is denied. `src/**` is `src` itself, too, and a name fits when a file system folds it to one that does. */
export function foldedPattern(pattern: string): PathPattern<FoldedName> {
  const parts = partsOf(pattern);
  const of = patternOf(parts, fitsFolded);
  if (parts.at(-1) !== "**") return of;
  const last = of.end - 1;
  const withItself = (places: readonly number[]) =>
    places.includes(last) && !places.includes(of.end) ? [...places, of.end] : places;
  return { ...of, start: withItself(of.start), step: (place, name) => withItself(of.step(place, name)) };
}

/** @returns the names of a pattern; several `**` side by side say no more than one */
export function partsOf(pattern: string): readonly string[] {
  return pattern.split("/").filter((part, index, all) => part !== "**" || all[index - 1] !== "**");
}

const none: readonly number[] = [];

function patternOf<Name>(
  parts: readonly string[],
  fitsOf: (part: string) => (name: Name) => boolean,
): PathPattern<Name> {
  const end = parts.length;
  const fits = parts.map((part) => (part === "**" ? undefined : fitsOf(part)));
  // `**` may stand for no folder at all, but at the end it is at least one name
  const from = [...parts, ""].map((part, place) => (part === "**" && place + 1 < end ? [place, place + 1] : [place]));
  const below = [end - 1, end];
  return {
    end,
    start: from[0] ?? none,
    step(place, name) {
      if (place >= end) return none;
      const compare = fits[place];
      if (compare === undefined) return (place + 1 < end ? from[place] : below) ?? none;
      return (compare(name) ? from[place + 1] : none) ?? none;
    },
  };
}

/** Whether a name is made of pieces with any text between them. */
function fitsPieces(pieces: readonly string[], name: string): boolean {
  const [first = "", ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at); // the earliest place leaves the most to the others
    if (found < 0) return false;
    at = found + piece.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

function fitsFolded(part: string): (name: FoldedName) => boolean {
  const pieces = part.includes("*") ? part.split("*").map(foldText) : [foldName(part)];
  const short = shortNameOf(foldName(part));
  return ({ text, name }) => {
    if (fitsPieces(pieces, name) || fitsPieces(pieces, text)) return true;
    if (!name.includes("~") || !name.startsWith(short.start) || !name.endsWith(short.extension)) return false;
    return /^\d{1,6}$/.test(name.slice(short.start.length, name.length - short.extension.length));
  };
}
