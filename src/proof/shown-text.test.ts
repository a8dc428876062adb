import { expect, it } from "vitest";
import { shownText } from "./shown-text.ts";

it("shows control characters as what they are, and no more than is asked for", () => {
  expect(shownText("a\x1b[2Jb\nc\x9b", 100)).toBe("a\\x1b[2Jb\\x0ac\\x9b");
  expect(shownText("abcdef", 3)).toBe("abc…");
  expect(shownText("ü", 3)).toBe("ü");
});
