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

/** @returns what git may list for a ref, the first that is there counts: a branch goes before a tag, and a tag stands for its commit */
export function namesOfRef(ref: string): readonly string[] {
  const whole = /^refs\/(heads|tags)\/./.test(ref) ? [`${ref}^{}`, ref] : [];
  return [...whole, `refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`];
}
