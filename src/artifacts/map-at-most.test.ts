import { describe, expect, it } from "vitest";
import { mapAtMost } from "./map-at-most.ts";

describe("mapping at most so many at a time", () => {
  it("keeps the order and never has more under way", async () => {
    let underWay = 0;
    let most = 0;
    const doubled = await mapAtMost(3, [1, 2, 3, 4, 5, 6, 7], async (each) => {
      underWay += 1;
      most = Math.max(most, underWay);
      for (let turn = 0; turn < 8 - each; turn += 1) await Promise.resolve();
      underWay -= 1;
      return each * 2;
    });
    expect(doubled).toEqual([2, 4, 6, 8, 10, 12, 14]);
    expect(most).toBe(3);
  });

  it("begins nothing after the first failure", async () => {
    const begun: number[] = [];
    const failing = mapAtMost(2, [1, 2, 3, 4, 5], async (each) => {
      begun.push(each);
      if (each === 2) throw new Error("two");
      await Promise.resolve();
    });
    await expect(failing).rejects.toThrow("two");
    expect(begun.length).toBeLessThan(5);
  });

  it("does nothing for nothing", async () => {
    expect(await mapAtMost(4, [], () => Promise.reject(new Error("never")))).toEqual([]);
  });
});
