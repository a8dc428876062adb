import type { FoldedName } from "../../../definitions/policy/fold-name.ts";
import { foldedName } from "../../../definitions/policy/fold-name.ts";
import type { PathPattern } from "../../../definitions/policy/path-pattern.ts";

/** A symbolic link of a tree. */
export interface TreeLink {
  /** From the root. */
  readonly path: string;
  readonly target: string;
}

/** A file, folder or link of the tree; names that a file system may take for one are one. */
interface Place {
  readonly id: number;
  readonly folder: Place | undefined;
  /** Folded. */
  readonly name: string;
  /** From the root, as it was written first. */
  readonly shown: string;
  /** As it is compared with rules, once for each way in which it is written. */
  readonly names: FoldedName[];
  readonly inside: Map<string, Place>;
  /** The same as a list, which is gone over far more often than it is looked up. */
  readonly children: Place[];
  link?: { readonly target: string; isOpen: boolean; end?: Place | undefined };
}

/** Where a rule leads in a tree. */
export interface Reach {
  /** @returns how a checkout names a path when the rule fits that name, and it is not how the path is written; "" when it is; undefined when no name fits */
  fits(path: string): string | undefined;
  /** Whether a link lies above what the rule speaks of: by one of its names a further name may fit. */
  liesAbove(link: string): boolean;
  /** @returns where a link leads, when the rule fits that or what may lie below it */
  leadsTo(link: string): string | undefined;
}

/** Names of a checkout: of all paths that may have one, and through every link. */
export interface TreeNames {
  reach(pattern: PathPattern<FoldedName>): Reach;
}

const mostFollowed = 40; // as Linux does, path_resolution(7)

/**
 * Finds the names that paths have when a tree with links is checked out. A path has one name for each way from the root to it, through folders and links. Links that lead back up give it endlessly
 * many names, so a rule is matched step by step: each position of the rule is tried at each place of the tree once.
 * @param paths - those that are asked about
 */
export function createTreeNames(links: readonly TreeLink[], paths: readonly string[]): TreeNames {
  const root: Place = { id: 0, folder: undefined, name: "", shown: "", names: [], inside: new Map(), children: [] };
  const places = [root];
  const inside = (folder: Place, name: string): Place => {
    const folded = foldedName(name);
    let place = folder.inside.get(folded.name);
    if (place === undefined) {
      const shown = folder.shown === "" ? name : `${folder.shown}/${name}`;
      place = { id: places.length, folder, name: folded.name, shown, names: [], inside: new Map(), children: [] };
      places.push(place);
      folder.children.push(place);
      folder.inside.set(folded.name, place);
    }
    if (!place.names.some(({ text }) => text === folded.text)) place.names.push(folded);
    return place;
  };
  const known = new Map<string, Place>();
  const at = (path: string): Place => {
    const place = known.get(path) ?? namesOf(path).reduce(inside, root);
    known.set(path, place);
    return place;
  };
  for (const { path, target } of links) at(path).link = { target, isOpen: false };
  for (const path of paths) at(path);

  /** @returns where a link leads in the end; undefined: out of the tree, nowhere, or in a circle */
  const endOf = (place: Place, budget: { left: number }): Place | undefined => {
    const { link } = place;
    if (link === undefined || link.isOpen) return link === undefined ? place : undefined;
    if ("end" in link) return link.end;
    budget.left -= 1;
    if (budget.left < 0) return undefined;
    link.isOpen = true;
    const end = namesOf(link.target).reduce<Place | undefined>(
      (from, name) => {
        if (from === undefined || name === ".") return from;
        return name === ".." ? from.folder : endOf(inside(from, name), budget);
      },
      /^[/\\]/.test(link.target) ? undefined : place.folder,
    );
    link.isOpen = false;
    if (budget.left >= 0) link.end = end;
    return end;
  };
  for (const { path } of links) endOf(at(path), { left: mostFollowed });

  return { reach: (pattern) => reachOf(pattern, places, at) };
}

function reachOf(pattern: PathPattern<FoldedName>, places: readonly Place[], at: (path: string) => Place): Reach {
  const states = pattern.end + 1;
  /** By place and state: where it was reached from, as the same number and 1; 0: it was not, -1: from nowhere. */
  const from = new Int32Array(places.length * states);
  const todo: number[] = [];
  const add = (place: Place, state: number, key: number) => {
    const to = place.id * states + state;
    if (from[to] !== 0) return;
    from[to] = key;
    todo.push(to);
  };
  for (const state of pattern.start) add(places[0] as Place, state, -1);
  for (let key = todo.pop(); key !== undefined; key = todo.pop()) {
    const place = places[Math.floor(key / states)] as Place;
    if (place.link?.end !== undefined) add(place.link.end, key % states, key + 1);
    for (const child of place.children)
      for (const name of child.names) for (const state of pattern.step(key % states, name)) add(child, state, key + 1);
  }
  const fitsAt = ({ id }: Place) => from[id * states + pattern.end] !== 0;
  const isOnTheWay = ({ id }: Place) =>
    from
      .subarray(id * states, id * states + pattern.end)
      .some((key, state) => key !== 0 && !pattern.start.includes(state));
  const nameOf = (last: Place): string => {
    const names: string[] = [];
    for (let key = last.id * states + pattern.end; key >= 0; ) {
      const place = places[Math.floor(key / states)] as Place;
      key = (from[key] ?? 0) - 1;
      // a step from a link to its end adds no name
      if (place.folder !== undefined && place.folder === places[Math.floor(key / states)]) names.unshift(place.name);
    }
    return names.join("/");
  };
  return {
    fits(path) {
      const place = at(path);
      if (!fitsAt(place)) return undefined;
      const name = nameOf(place);
      const written = namesOf(path).map((each) => foldedName(each).name);
      return written.join("/") === name ? "" : name;
    },
    liesAbove: (link) => isOnTheWay(at(link)),
    leadsTo(link) {
      const end = at(link).link?.end;
      return end !== undefined && (fitsAt(end) || isOnTheWay(end)) ? end.shown || "." : undefined;
    },
  };
}

/** A backslash separates, too: so it does where Windows makes the checkout. */
function namesOf(path: string): string[] {
  return path.split(/[/\\]/).filter((name) => name !== "");
}
