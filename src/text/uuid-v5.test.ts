import { describe, expect, it } from "vitest";
import { uuidV5 } from "./uuid-v5.ts";

const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
const url = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

describe("a name-based id", () => {
  it("is the one of RFC 9562, appendix A.4", () => {
    expect(uuidV5("www.example.com", dns)).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2");
  });

  it("is what other implementations make of the same name", () => {
    // `uuid.uuid5` of Python 3
    expect(uuidV5("python.org", dns)).toBe("886313e1-3b8a-5372-9b90-0c9aee199e5d");
    expect(uuidV5("http://www.ietf.org/rfc/rfc4122.txt", url)).toBe("d0690b3c-b29d-52e7-81b0-d573b503f2d4");
    expect(uuidV5("", dns)).toBe("4ebd0208-8328-5d69-8c44-ec50939c0967");
    expect(uuidV5("Grüße, 世界 🚀", dns)).toBe("75920af4-a151-531d-b535-e3883b217304");
  });
});
