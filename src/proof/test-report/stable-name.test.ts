import { describe, expect, it } from "vitest";
import { nameWithoutNumbers, stableName } from "./stable-name.ts";

describe("what changes by itself in a test's name", () => {
  it.each([
    ["test_price[<test_ids.Price object at 0x7f307db753d0>]", "test_price[<test_ids.Price object at <address>>]"],
    ["equals(Price@1b6d3586)", "equals(Price<address>)"],
    ["TestMap/0xc000012345", "TestMap/<address>"],
    ["reads 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "reads <id>"],
    ["reads 507f1f77bcf86cd799439011", "reads <id>"],
    ["reads 01ARZ3NDEKTSV4RRFFQ69G5FAV", "reads <id>"],
    ["of sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "of sha256 <id>"],
    ["due[2026-11-30]", "due[<time>]"],
    ["due[2026-11-30T07:34:11.578098+00:00]", "due[<time>]"],
    ["due[2026-11-30 07:34:11]", "due[<time>]"],
    ["at 07:34:11.578", "at <time>"],
    ["at 20261130T073411Z", "at <time>"],
    ["run 1732952051", "run <time>"],
    ["run 1732952051578", "run <time>"],
    ["run 1732952051.578", "run <time>"],
    ["opens /tmp/pytest-of-root/pytest-3/x0/a.txt twice", "opens <temporary path> twice"],
    ["opens (/var/folders/zz/T/tmp.Ab12)", "opens (<temporary path>)"],
    ["took 12ms", "took <duration>"],
    ["took 0.031 s", "took <duration>"],
    ["took 1.5µs", "took <duration>"],
    ["GET http://127.0.0.1:43211/", "GET http://127.0.0.1:<port>/"],
    ["GET http://localhost:5173/", "GET http://localhost:<port>/"],
  ])("%s", (name, stable) => {
    expect(stableName(name)).toBe(stable);
  });

  it.each([
    "adds 1 and 2",
    "test_many[2]",
    "retries after 5s",
    "HTTP 404",
    "version 2.11.4",
    "colour #aabbcc",
    "deadbeef is a word",
    "feedfacefeedfacefeedface",
    "1234567890123456 is a card",
    "user@example.org",
    "a 12 msec",
    "reads /tmpfile and /usr/tmp/x",
    "at 07:34",
    "port 8080 of example.org:8080",
  ])("is not seen in %s", (name) => {
    expect(stableName(name)).toBe(name);
  });

  it("may be a number, of which nobody can know", () => {
    expect(nameWithoutNumbers("order 4711 of 2")).toBe(nameWithoutNumbers("order 815 of 3"));
    expect(nameWithoutNumbers("order a")).not.toBe(nameWithoutNumbers("order b"));
  });
});
