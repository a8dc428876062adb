import { describe, expect, it } from "vitest";
import { nameWithoutNumbers, stableName } from "./stable-name.ts";

describe("what changes by itself in a test's name", () => {
  it.each([
    ["test_price[<test_ids.Price object at 0x7f307db753d0>]", "test_price[<test_ids.Price object at <address>>]"],
    ["equals(Price@1b6d3586)", "equals(Price<address>)"],
    ["TestMap/0xc000012345", "TestMap/<address>"],
    ["reads [Ljava.lang.String;@1b6d3586", "reads [Ljava.lang.String;<address>"],
    ["runs Shop$$Lambda$14/0x0000000800066840@2f92e0f4", "runs Shop$$Lambda$14/<address><address>"],
    ["runs Shop$$Lambda$14/1023487453@2f92e0f4", "runs Shop$$Lambda$14/<address>"],
    ["is expected to eq #<Object:0x000078d1c0a01234>", "is expected to eq #<Object:<address>>"],
    ["gives HASH(0x55d0c8a3e2f0)", "gives HASH(<address>)"],
    ["sends #PID<0.123.0> and #Reference<0.1.2.3>", "sends <address> and <address>"],
    ["reads 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "reads <id>"],
    ["reads 507f1f77bcf86cd799439011", "reads <id>"],
    ["reads 01ARZ3NDEKTSV4RRFFQ69G5FAV", "reads <id>"],
    ["of sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "of sha256 <id>"],
    ["due[2026-11-30]", "due[<time>]"],
    ["due[2026-11-30T07:34:11.578098+00:00]", "due[<time>]"],
    ["due[2026-11-30 07:34:11]", "due[<time>]"],
    ["at 07:34:11.578", "at <time>"],
    ["at 20261130T073411Z", "at <time>"],
    ["at 20261130T073411.578Z", "at <time>"],
    ["at 20261130-073411 or 20261130_073411", "at <time> or <time>"],
    ["test_cart.CartTest-20261130132036", "test_cart.CartTest-<time>"],
    ["TestDue/2026-11-30_07:34:11.578098_+0000_UTC_m=+0.000813", "TestDue/<time>_+0000_UTC_<time>"],
    ["due 2026-11-30 07:34:11.578098 +0000 UTC m=+0.000813", "due <time> UTC <time>"],
    ["due 2026-11-30 07:34:11 UTC", "due <time> UTC"],
    ["due 2026/11/30 07:34:11", "due <time> <time>"],
    ["due Mon, 30 Nov 2026 07:34:11 GMT", "due <time> <time> GMT"],
    [
      "due Mon Nov 30 2026 07:34:11 GMT+0100 (Central European Standard Time)",
      "due <time> <time> GMT+0100 (Central European Standard Time)",
    ],
    ["due Mon Nov 30 07:34:11 UTC 2026", "due <time> <time> UTC 2026"],
    ["due Mon Nov  2 07:34:11 2026", "due <time> <time> 2026"],
    ["due 11/30/2026, 7:34:11 AM", "due <time>, <time>"],
    ["due[datetime.datetime(2026, 11, 30, 7, 34, 11, 578098)]", "due[<time>]"],
    ["due[datetime.date(2026, 11, 30)]", "due[<time>]"],
    ["run 1732952051", "run <time>"],
    ["run 1732952051578", "run <time>"],
    ["run 1732952051.578", "run <time>"],
    ["opens /tmp/pytest-of-root/pytest-3/x0/a.txt twice", "opens <temporary path> twice"],
    ["opens (/var/folders/zz/T/tmp.Ab12)", "opens (<temporary path>)"],
    ["opens file:///tmp/shop-x1/a.txt", "opens file://<temporary path>"],
    ["TestOpen//tmp/TestOpen123/001/a.txt", "TestOpen/<temporary path>"],
    ["took 1m2.5s", "took <duration>"],
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
    "in May 2026",
    "ratio 1/2/3, 4:5",
    "item 20261130",
    "a.b@example.org;@home",
    "#PID of a process",
    "datetime(2026) is short",
    "port 8080 of example.org:8080",
  ])("is not seen in %s", (name) => {
    expect(stableName(name)).toBe(name);
  });

  it("may be a number, of which nobody can know", () => {
    expect(nameWithoutNumbers("order 4711 of 2")).toBe(nameWithoutNumbers("order 815 of 3"));
    expect(nameWithoutNumbers("order a")).not.toBe(nameWithoutNumbers("order b"));
  });
});
