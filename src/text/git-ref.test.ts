import { expect, it } from "vitest";
import { faultOfRef } from "./git-ref.ts";

it.each(["main", "v1.2.3", "feature/x-1", "refs/heads/main", "ümlaut", "0123456789012345678901234567890123456789"])(
  "takes the ref %s",
  (ref) => {
    expect(faultOfRef(ref)).toBeUndefined();
  },
);

it.each([
  "-u",
  "--upload-pack=x",
  "",
  "/a",
  "a/",
  "a//b",
  ".a",
  "a/.b",
  "a.lock",
  "a.lock/b",
  "a..b",
  "a b",
  "a~1",
  "a^",
  "a:b",
  "a?",
  "a*",
  "a[b",
  "a\\b",
  "a@{0}",
  "@",
  "a.",
  "a\nb",
  "a\0",
  "a\x7f",
  "a".repeat(256),
])("refuses the ref %j", (ref) => {
  expect(faultOfRef(ref)).toBeDefined();
});
