import type { PathPattern } from "./path-pattern.ts";
import { partsOf } from "./path-pattern.ts";

/** Most names and most `**` in a path pattern, after adjacent `**` became one: they bound the time of a comparison. */
const mostParts = 32;
const mostDeep = 4;

/**
 * Whether a command pattern matches an argv: words are compared from the start, `*` is any one word, and argv may go on after the pattern's last word.
 * @param pattern - words with single spaces between them
 */
export function matchesCommand(pattern: string, argv: readonly string[]): boolean {
  const words = pattern.split(" ");
  return words.length <= argv.length && words.every((word, index) => word === "*" || word === argv[index]);
}

/**
 * Whether an allow pattern matches a path. `*` is any text within one name, also one that begins with a dot; `**` is any number of folders, and at the end everything below.
 * @param path - relative to the repository's root, `/` between names
 */
export function matchesPath(pattern: PathPattern<string>, path: string): boolean {
  let places = new Set(pattern.start);
  for (const name of path.split("/")) places = new Set([...places].flatMap((place) => pattern.step(place, name)));
  return places.has(pattern.end);
}

/** @returns what is wrong with a command pattern; undefined when nothing is */
export function faultOfCommandPattern(pattern: string): string | undefined {
  if (pattern.split(" ").includes(""))
    return "must be words with one space between them; remove the extra space, or split the pattern";
  if (/\p{Cc}/u.test(pattern)) return "must not have control characters; remove them";
  return undefined;
}

/** @returns what is wrong with a path pattern; undefined when nothing is */
export function faultOfPathPattern(pattern: string): string | undefined {
  const special = /[?![\]{}()\\]/.exec(pattern);
  if (special !== null)
    return `must not have "${special[0]}": only * and ** are special; write * for it, or one pattern for each alternative, or use the deny list`;
  if (pattern.split("/").some((part) => part !== "**" && part.includes("**")))
    return "has ** beside other text; give ** a folder of its own, as in src/**/*.ts";
  const parts = partsOf(pattern);
  const deep = parts.filter((part) => part === "**").length;
  if (parts.length > mostParts)
    return `has ${parts.length} names, and a rule has at most ${mostParts}; name a folder above and end with /**`;
  if (deep > mostDeep)
    return `has ** in ${deep} places, and a rule has at most ${mostDeep}; leave some out, or make several rules of it`;
  return faultOfTreePath(pattern);
}

/** @returns what is wrong with the path of a file in a repository's tree; undefined when nothing is */
export function faultOfTreePath(path: string): string | undefined {
  const parts = path.split("/");
  if (path.startsWith("/")) return "is absolute; write it relative to the repository's root";
  if (parts.includes("..") || parts.includes(".") || parts.includes(""))
    return 'has a part that is ".", ".." or empty; write it without';
  if (/[\p{Cc}\\]/u.test(path) || !path.isWellFormed())
    return "has a control character, a backslash or invalid Unicode; rename the file";
  return undefined;
}
