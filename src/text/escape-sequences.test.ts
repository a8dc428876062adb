import { describe, expect, it } from "vitest";
import { createEscapeFilter, withoutEscapes } from "./escape-sequences.ts";

const sequences = {
  "a colour": "\u001b[1;31m",
  "a colour with colons": "\u001b[38:2::1:2:3m",
  "a cursor movement with an intermediate": "\u001b[2 q",
  "a private mode": "\u001b[?1049h",
  "a title that BEL ends": "\u001b]0;title; more\u0007",
  "a link that ST ends": "\u001b]8;;https://example.test/ü\u001b\\",
  "a device control string": "\u001bP1;2q#0;2;0\u001b\\",
  "a start of string": "\u001bXsecret\u001b\\",
  "a privacy message": "\u001b^secret\u001b\\",
  "an application command": "\u001b_Gf=100;AAAA\u001b\\",
  "a character set": "\u001b(B",
  "a reset": "\u001bc",
  "a colour of C1": "\u009b31m",
  "a title of C1": "\u009d0;title\u009c",
  "other strings of C1": "\u0090q\u009c\u0098x\u001b\\\u009ey\u0007\u009fz\u009c",
  "control characters": "\u0000\u0008\u007f\u0085\u0084",
  "a sequence that another one cuts off": "\u001b]0;tit\u001b[1m\u001b[3\u001b[0m\u001b\u001b[0m",
};

describe("text without escape sequences", () => {
  it.each(Object.entries(sequences))("has no part of %s, wherever the text is divided", (_, sequence) => {
    const text = `before${sequence}\tafter\n`;
    for (let at = 0; at <= text.length; at += 1) {
      const filter = createEscapeFilter();
      expect(filter.push(text.slice(0, at)) + filter.push(text.slice(at))).toBe("before\tafter\n");
    }
    const filter = createEscapeFilter();
    expect([...text].map((character) => filter.push(character)).join("")).toBe("before\tafter\n");
  });

  it("shows the line after a sequence without an end", () => {
    for (const begin of ["\u001b]0;", "\u009d", "\u001bP", "\u001b_", "\u001b[31", "\u001b", "\u001b("])
      expect(withoutEscapes(`${begin}\nall tests passed`)).toMatch(/^\n?all tests passed$/);
    expect(withoutEscapes(`\u001b]never ended\nall tests passed`)).toBe("\nall tests passed");
    expect(withoutEscapes("\u001b]given up\u0018text")).toBe("text");
  });

  it("takes no sequence for longer than 64 KiB", () => {
    for (const begin of ["\u001b]", "\u001b[", "\u009f"]) {
      const shown = withoutEscapes(`${begin}${"1".repeat(70_000)}`);
      expect(shown.length).toBeGreaterThan(4_000);
      expect(shown.length).toBeLessThan(70_000 - 60_000);
    }
  });

  it("keeps letters of every language, tabs and line feeds", () => {
    const text = "größe\t测试 é ดี 👩‍👩‍👧\n\u00a0";
    expect(withoutEscapes(text)).toBe(text);
    expect(createEscapeFilter().push("10 %\r20 %\r\n")).toBe("10 %\r20 %\r\n");
  });
});
