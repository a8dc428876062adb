import type { FoldedName } from "../../definitions/fold-name.ts";
import { foldedName } from "../../definitions/fold-name.ts";
import type { PathPattern } from "../../definitions/path-pattern.ts";

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
  readonly shown: string;
  /** As it is compared with rules, once for each way in which it is written. */
  readonly names: Map<string, FoldedName>;
  readonly inside: Map<string, Place>;
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
 * Makes what paths are called when a tree with links is checked out. A path has one name for each way from the root to it, through folders and links, so links that lead back up give it
 * names without end: a rule is therefore followed from place to place, each place of the rule at each place of the tree once.
 * @param paths - those that are asked about
 */
export function createTreeNames(links: readonly TreeLink[], paths: readonly string[]): TreeNames {
  const root: Place = { id: 0, folder: undefined, shown: "", names: new Map(), inside: new Map() };
  let places = 1;
  const inside = (folder: Place, name: string): Place => {
    const folded = foldedName(name);
    let place = folder.inside.get(folded.name);
    if (place === undefined) {
      const shown = folder.shown === "" ? name : `${folder.shown}/${name}`;
      place = { id: places, folder, shown, names: new Map(), inside: new Map() };
      places += 1;
      folder.inside.set(folded.name, place);
    }
    place.names.set(folded.text, folded);
    return place;
  };
  const at = (path: string) => namesOf(path).reduce(inside, root);
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

  return {
    reach(pattern) {
      const states = pattern.end + 1;
      /** place × state → where it was reached from; a name was added when that is another folder's */
      const reached = new Map<number, { readonly from: number; readonly name: string }>();
      const todo: { readonly place: Place; readonly state: number }[] = [];
      const add = (place: Place, state: number, from: number, name: string) => {
        const key = place.id * states + state;
        if (reached.has(key)) return;
        reached.set(key, { from, name });
        todo.push({ place, state });
      };
      for (const state of pattern.start) add(root, state, -1, "");
      for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
        const { place, state } = next;
        const key = place.id * states + state;
        const end = place.link?.end;
        if (end !== undefined) add(end, state, key, "");
        for (const child of place.inside.values())
          for (const [written, name] of child.names)
            for (const after of pattern.step(state, name)) add(child, after, key, written);
      }
      const hasState = (place: Place, state: number) => reached.has(place.id * states + state);
      const isOnTheWay = (place: Place) => {
        for (let state = 0; state < pattern.end; state += 1)
          if (!pattern.start.includes(state) && hasState(place, state)) return true;
        return false;
      };
      const nameOf = (place: Place): string => {
        const names: string[] = [];
        for (let key = place.id * states + pattern.end; key >= 0; ) {
          const { from, name } = reached.get(key) ?? { from: -1, name: "" };
          if (name !== "") names.unshift(name);
          key = from;
        }
        return names.join("/");
      };
      return {
        fits(path) {
          const place = at(path);
          if (!hasState(place, pattern.end)) return undefined;
          const name = nameOf(place);
          const written = namesOf(path).map((each) => foldedName(each).text);
          return written.join("/") === name ? "" : name;
        },
        liesAbove: (link) => isOnTheWay(at(link)),
        leadsTo(link) {
          const end = at(link).link?.end;
          return end !== undefined && (hasState(end, pattern.end) || isOnTheWay(end)) ? end.shown || "." : undefined;
        },
      };
    },
  };
}

/** A backslash separates, too: so it does where Windows makes the checkout. */
function namesOf(path: string): string[] {
  return path.split(/[/\\]/).filter((name) => name !== "");
}
