import type { FoldedName } from "./fold-name.ts";
import { foldName, foldText, shortNameOf } from "./fold-name.ts";

/**
 * A path pattern compiled to an automaton over names. Place n means that the first n parts match the names so far; several places can hold at once.
 * A path matches when its last name leads to `end`. Each step compares one part with one name, so a comparison takes at most places × names steps.
 */
export interface PathPattern<Name> {
  readonly start: readonly number[];
  readonly end: number;
  /** @returns the places that one more name leads to from a place */
  step(place: number, name: Name): readonly number[];
}

/** Matches names exactly: for allow lists. `src/**` is everything below `src`. */
export function exactPattern(pattern: string): PathPattern<string> {
  return patternOf(partsOf(pattern), (part) => {
    const pieces = part.split("*");
    return (name) => fitsPieces(pieces, name);
  });
}

/** Matches also names that a file system may treat as the same: for deny lists. `src/**` includes `src` itself. */
export function foldedPattern(pattern: string): PathPattern<FoldedName> {
  const parts = partsOf(pattern);
  const of = patternOf(parts, fitsFolded);
  if (parts.at(-1) !== "**") return of;
  const last = of.end - 1;
  const withItself = (places: readonly number[]) =>
    places.includes(last) && !places.includes(of.end) ? [...places, of.end] : places;
  return { ...of, start: withItself(of.start), step: (place, name) => withItself(of.step(place, name)) };
}

/** @returns the names of a pattern; adjacent `**` become one */
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
  // `**` can match no folder at all; at the end it matches at least one name
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
    const found = name.indexOf(piece, at); // the earliest match leaves the most text to the other pieces
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
