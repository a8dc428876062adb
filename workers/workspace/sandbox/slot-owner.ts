const firstUid = 200_000;

/**
 * The host user and group of a slot: its own one (200000 + slot) where the worker is root, the worker's otherwise.
 * @param slot - 0 and up
 */
export function ownerOfSlot(slot: number): { readonly uid: number; readonly gid: number } {
  if (!isRoot()) return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  return { uid: firstUid + slot, gid: firstUid + slot };
}

export const isRoot = (): boolean => process.geteuid?.() === 0;
