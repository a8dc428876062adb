/**
 * Says why git would not take a text as the name of a branch, tag or commit (git-check-ref-format), or would take it for an option.
 * @returns the broken rule; undefined when there is none
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
