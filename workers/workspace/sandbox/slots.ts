/** Slot numbers: one for each piece of work that may run on this host at the same time. */
export interface Slots {
  readonly count: number;
  used(): number;
  /** @throws Error when all are taken: the worker polls for no more than there are */
  take(): number;
  give(slot: number): void;
}

export function createSlots(count: number): Slots {
  const free = Array.from({ length: count }, (_, slot) => slot);
  return {
    count,
    used: () => count - free.length,
    take() {
      const slot = free.shift();
      if (slot === undefined) throw new Error(`all ${count} slots of this worker are taken`);
      return slot;
    },
    give: (slot) => void free.push(slot),
  };
}

const firstUid = 200_000;

/**
 * The host user and group of a slot: 200000 + slot where the worker is root, else the worker's own.
 * @param slot - 0 and up
 */
export function ownerOfSlot(slot: number): { readonly uid: number; readonly gid: number } {
  if (!isRoot()) return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  return { uid: firstUid + slot, gid: firstUid + slot };
}

export const isRoot = (): boolean => process.geteuid?.() === 0;
