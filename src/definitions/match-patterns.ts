/**
 * Whether a command rule speaks of an argv: its words are compared from the start, `*` is any one word, and further words are free.
 * @param pattern - words with single spaces between them
 */
export function matchesCommand(pattern: string, argv: readonly string[]): boolean {
  const words = pattern.split(" ");
  return words.length <= argv.length && words.every((word, index) => word === "*" || word === argv[index]);
}

/**
 * Whether a path rule speaks of a path, in time linear to pattern × path: both may be a stranger's. `*` is any text within one name, also one that begins with a dot; `**` is any
 * number of folders, and at the end everything below.
 * @param path - relative to the repository's root, `/` between names
 */
export function matchesPath(pattern: string, path: string): boolean {
  const parts = pattern.split("/");
  const names = path.split("/");
  // reached[n]: the parts so far fit the first n names
  let reached = [true, ...names.map(() => false)];
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const before = reached;
    reached = before.map(() => false);
    let isOpen = false;
    for (let n = 0; n <= names.length; n += 1) {
      const name = names[n - 1];
      if (part === "**") {
        reached[n] = isLast ? isOpen : isOpen || before[n] === true; // below means at least one name
        isOpen ||= before[n] === true;
      } else if (name !== undefined) reached[n] = before[n - 1] === true && matchesName(part, name);
    }
  }
  return reached.at(-1) === true;
}

function matchesName(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at); // the earliest place leaves the most to the others
    if (found < 0) return false;
    at = found + piece.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** Says what is wrong with a command rule. @returns undefined when nothing is */
export function faultOfCommandPattern(pattern: string): string | undefined {
  if (pattern.split(" ").includes(""))
    return "must be words with one space between them; remove the space too many, or split the rule";
  if (/\p{Cc}/u.test(pattern)) return "must not have control characters; remove them";
  return undefined;
}

/** Says what is wrong with a path rule. @returns undefined when nothing is */
export function faultOfPathPattern(pattern: string): string | undefined {
  const special = /[?![\]{}()\\]/.exec(pattern);
  if (special !== null)
    return `must not have "${special[0]}": only * and ** are special; write * for it, or one pattern for each alternative, or use the deny list`;
  if (pattern.split("/").some((part) => part !== "**" && part.includes("**")))
    return "has ** beside other text; give ** a folder of its own, as in src/**/*.ts";
  return faultOfTreePath(pattern);
}

/** Says what is wrong with the name of a file in a repository's tree. @returns undefined when nothing is */
export function faultOfTreePath(path: string): string | undefined {
  const parts = path.split("/");
  if (path.startsWith("/")) return "is absolute; write it relative to the repository's root";
  if (parts.includes("..") || parts.includes(".") || parts.includes(""))
    return 'has a part that is ".", ".." or empty; write it without';
  if (/[\p{Cc}\\]/u.test(path) || !path.isWellFormed())
    return "has a control character, a backslash or text that is no Unicode; rename the file";
  return undefined;
}
