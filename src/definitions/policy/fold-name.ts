/**
 * Folds text the way file systems do that treat different names as the same: letter case (NTFS, HFS+, APFS, ext4 with casefold), Unicode normalization (HFS+, APFS, ZFS), and code points that HFS+ ignores.
 * It combines the folding of all of them: names that any of them treats as the same are the same here.
 */
export function foldText(text: string): string {
  const plain = text.normalize("NFKD").replace(/\p{Default_Ignorable_Code_Point}/gu, "");
  return plain.toUpperCase().toLowerCase().normalize("NFKD");
}

/** Folds a name in a path, without the end that NTFS ignores: a stream (`:…`), dots and spaces. */
export function foldName(name: string): string {
  const [whole = ""] = foldText(name).split(":", 1);
  let end = whole.length;
  while (end > 0 && ". ".includes(whole.charAt(end - 1))) end -= 1;
  return whole.slice(0, end);
}

/** A folded name, with and without the end that NTFS ignores. */
export interface FoldedName {
  readonly text: string;
  readonly name: string;
}

export const foldedName = (name: string): FoldedName => ({ text: foldText(name), name: foldName(name) });

/**
 * @param name - folded
 * @returns how NTFS begins the short names of a name, and their extension: `.gitlab-ci.yml` → `gitlab~`, `.yml`
 */
export function shortNameOf(name: string): { readonly start: string; readonly extension: string } {
  const bare = name.replace(/^[. ]+/, "").replaceAll(" ", "");
  const dot = bare.lastIndexOf(".");
  const stem = (dot < 0 ? bare : bare.slice(0, dot)).replaceAll(".", "");
  return { start: `${stem.slice(0, 6)}~`, extension: dot < 0 ? "" : bare.slice(dot, dot + 4) };
}

/** Whether any file system may treat a name as `.git`. */
export function isGitFolder(name: string): boolean {
  return name.split("\\").some((part) => /^(\.git|git~\d+)$/.test(foldName(part)));
}
