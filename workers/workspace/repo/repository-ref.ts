/**
 * Says what keeps a text from being a branch, tag or commit (git-check-ref-format, and nothing that git could take for an option).
 * @returns undefined when nothing does
 */
export function faultOfRef(ref: string): string | undefined {
  const parts = ref.split("/");
  if (ref.startsWith("-")) return "begins with a hyphen, which git takes for an option";
  if (ref.length > 255) return "has more than 255 characters";
  if (parts.includes("")) return "has an empty part";
  if (parts.some((part) => part.startsWith(".") || part.endsWith(".lock")))
    return 'has a part that begins with "." or ends in ".lock", which git refuses';
  if (/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\.$|^@$/u.test(ref) || !ref.isWellFormed())
    return 'has a space, "..", "@{" or one of ~ ^ : ? * [ \\, or ends in ".", which git refuses';
  return undefined;
}

/** Whether a ref is a commit's own name: 40 lower-case hex. */
export const isCommit = (ref: string): boolean => /^[0-9a-f]{40}$/.test(ref);

/**
 * Names that a ref may have on the other side; the first that is there counts: a whole name (`HEAD`, `refs/…`), a branch, a tag, what git reads below `refs/`. A tag stands for its commit.
 * @returns what git may list
 */
export function namesOfRef(ref: string): readonly string[] {
  const whole = ref === "HEAD" || ref.startsWith("refs/") ? [ref] : [];
  return [...whole, `refs/heads/${ref}`, `refs/tags/${ref}`, `refs/${ref}`].flatMap((name) => [`${name}^{}`, name]);
}
