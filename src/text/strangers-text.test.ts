import { describe, expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import { cutText, lastWords, shownText, storable, storableJson, visible, visibleJson } from "./strangers-text.ts";

const half = "\ud83d";

describe("storable text", () => {
  it("keeps everything but NUL and half a character", () => {
    expect(storable(`a\0b\u001b[1m\n${half}😀`)).toBe("a\u2400b\u001b[1m\n\ufffd😀");
  });

  it("reaches into every part of a value, names of fields too", () => {
    const clean = storableJson({ [`n${half}`]: [`v${half}`, 1, null, { inner: "\0" }] });
    expect(clean).toEqual({ "n\ufffd": ["v\ufffd", 1, null, { inner: "\u2400" }] });
    expect(() => canonicalJson(clean)).not.toThrow();
  });
});

describe("text that is cut", () => {
  it("is cut between characters at every length, and says so", () => {
    const text = "ab😀😀c";
    for (let most = 1; most <= text.length + 1; most += 1) {
      const [cut, last] = [cutText(text, most), lastWords(text, most)];
      expect(cut.isWellFormed() && last.isWellFormed()).toBe(true);
      expect(Math.max(cut.length, last.length)).toBeLessThanOrEqual(most);
      expect(text.startsWith(cut.replace(/…$/, "")) && text.endsWith(last)).toBe(true);
    }
    expect(cutText(text, 4)).toBe("ab…");
    expect(cutText(text, 5)).toBe("ab😀…");
    expect(cutText(text, 7)).toBe(text);
    expect(lastWords(text, 4)).toBe("😀c");
  });
});

describe("text that is shown", () => {
  it("has no character that is not seen, or that moves what stands around it", () => {
    expect(shownText("a\tb\u001b[1m\u009b\u202ec\u2028d\u200be\u2066", 100)).toBe(
      "a\\x09b\\x1b[1m\\x9b\\u202ec\\u2028d\\u200be\\u2066",
    );
  });

  it("keeps letters, marks and joined emoji of every language", () => {
    const text = "größe 测试 é ดี 👩‍👩‍👧";
    expect(shownText(text, 100)).toBe(text);
  });

  it("is never longer than it may be, however much of it is not seen", () => {
    expect(shownText("\u0001".repeat(1_000), 10)).toBe("\\x01\\x01\\…");
    expect(shownText(`${"c".repeat(9)}😀 stays`, 10)).toBe(`${"c".repeat(9)}…`);
    expect(shownText(`abc${half}`, 10)).toBe("abc\ufffd");
  });
});

describe("text for a terminal", () => {
  const unseen = [
    ...[
      "\u0000",
      "\u001b",
      "\u007f",
      "\u0085",
      "\u009b",
      "\u00ad",
      "\u061c",
      "\u115f",
      "\u180e",
      "\u3164",
      "\ufeff",
      "\ufff9",
    ],
    ...["\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029", "\u2060", "\u2063"],
    ...["\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"],
    ...["\u{e0001}", "\u{e0041}", "\u{e007f}", "\u{e0100}"],
  ];

  it("shows every character that is not seen, and half a character", () => {
    for (const character of unseen)
      expect(visible(`a${character}b`)).toMatch(/^a\\(x[\da-f]{2}|u[\da-f]{4}|u\{[\da-f]+\})b$/);
    expect(visible("a\u202eb\u{e0041}c\u009b")).toBe("a\\u202eb\\u{e0041}c\\x9b");
    expect(visible(half)).toBe("\ufffd");
    expect(visible("größe 测试 ดี ✔️ \\u202e")).toBe("größe 测试 ดี ✔️ \\u202e");
  });

  it("is JSON of the same value", () => {
    const value = { [unseen.join("")]: [...unseen, half, "\ttext\n"] };
    for (const indent of [undefined, 2]) {
      const json = visibleJson(JSON.stringify(value, undefined, indent));
      expect(JSON.parse(json)).toEqual(value);
      expect(visible(json.replaceAll("\n", ""))).toBe(json.replaceAll("\n", ""));
    }
  });
});
