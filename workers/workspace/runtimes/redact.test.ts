import { describe, expect, it } from "vitest";
import { createRedactor } from "./redact.ts";

const secret = 'sk-"Zö/9+&x 1';
const forms = {
  plain: secret,
  JSON: JSON.stringify(secret),
  "JSON with escaped slashes": JSON.stringify(secret).replaceAll("/", "\\/"),
  "JSON in ASCII": JSON.stringify(secret).replace("ö", "\\u00f6"),
  URL: encodeURIComponent(secret),
  "URL in lower case": encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
  form: encodeURIComponent(secret).replaceAll("%20", "+"),
  base64: Buffer.from(secret).toString("base64"),
  "base64 after one byte": Buffer.from(`u${secret}`).toString("base64"),
  "base64 after two bytes": Buffer.from(`u:${secret}:v`).toString("base64"),
  "base64url after one byte": Buffer.from(`~${secret}~`).toString("base64url"),
};

const inPieces = (redactor: ReturnType<typeof createRedactor>, pieces: readonly Buffer[]) => {
  const stream = redactor.stream();
  return Buffer.concat([...pieces.map((piece) => stream.push(piece)), stream.end()]).toString();
};

describe("a redactor", () => {
  it.each(Object.entries(forms))("hides a secret as %s, wherever the stream is divided", (_, form) => {
    const redactor = createRedactor([secret]);
    const text = Buffer.from(`before ${form} between ${form}${form} after`);
    const whole = redactor.text(text.toString());
    expect(whole).toMatch(/^before \S*\[redacted\]\S* between \S*\[redacted\]\S* after$/);
    expect(whole.replaceAll("[redacted]", "").length).toBeLessThan("before  between  after".length + 3 * 9);
    for (let at = 0; at <= text.length; at += 1)
      expect(inPieces(redactor, [text.subarray(0, at), text.subarray(at)])).toBe(whole);
    expect(
      inPieces(
        redactor,
        [...text].map((byte) => Buffer.from([byte])),
      ),
    ).toBe(whole);
  });

  it("hides all of secrets that overlap or begin with one another", () => {
    const redactor = createRedactor(["abcdef", "abcdefgh", "defxyz", "aaaaaa"]);
    const cases = {
      "abcdef!": "[redacted]!",
      "abcdefgh!": "[redacted]!",
      "abcdefg!": "[redacted]g!",
      "abcdefxyz!": "[redacted]!",
      "aaaaaaaaa!": "[redacted]!",
      "aaaaa!": "aaaaa!",
      abcde: "abcde",
      "abcdef abcdef": "[redacted] [redacted]",
    };
    for (const [text, shown] of Object.entries(cases)) {
      expect(redactor.text(text)).toBe(shown);
      expect(
        inPieces(
          redactor,
          [...text].map((letter) => Buffer.from(letter)),
        ),
      ).toBe(shown);
    }
  });

  it("is the same for random texts however they are divided", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const redactor = createRedactor(["ababab", "babaab", "aabbaabb", "bbbbbbb"]);
    for (let round = 0; round < 500; round += 1) {
      const text = Buffer.from(Array.from({ length: 60 }, () => "ab"[random(2)]).join(""));
      const pieces: Buffer[] = [];
      for (let at = 0; at < text.length; ) {
        const size = 1 + random(9);
        pieces.push(text.subarray(at, at + size));
        at += size;
      }
      const shown = inPieces(redactor, pieces);
      expect(shown).toBe(redactor.text(text.toString()));
      for (const each of ["ababab", "babaab", "aabbaabb", "bbbbbbb"]) expect(shown).not.toContain(each);
    }
  });

  it("leaves bytes that are no text as they are, and passes by values that are too short", () => {
    const redactor = createRedactor(["12345", "a-secret"]);
    const stream = redactor.stream();
    const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x31, 0x32, 0x33, 0x34, 0x35]);
    expect(Buffer.concat([stream.push(bytes), stream.end()])).toEqual(bytes);
  });

  it("gives what can't be a secret's beginning at once", () => {
    const stream = createRedactor(["a-secret"]).stream();
    expect(stream.push(Buffer.from("a prompt> ")).toString()).toBe("a prompt> ");
    expect(stream.push(Buffer.from("then a-se")).toString()).toBe("then ");
    expect(stream.push(Buffer.from("t")).toString()).toBe("a-set");
  });
});
