import { expect, it } from "vitest";
import { faultOfRemote } from "./base-unavailable.ts";
import { GitError } from "./run-git.ts";

const url = "https://git.example/shop.git";
const faultOf = (stderr: string) => faultOfRemote(url, new GitError("fetch", 128, stderr));

it.each([
  [
    "fatal: Out of memory, malloc failed (tried to allocate 1101004801 bytes)\nfatal: fetch-pack: invalid index-pack output",
    "AUTOMATION_GIT_MEMORY_BYTES",
  ],
  [
    "fatal: unable to create thread: Resource temporarily unavailable\nfatal: the remote end hung up",
    "AUTOMATION_GIT_MEMORY_BYTES",
  ],
  ["remote: fatal: Out of memory, strdup failed\nfatal: early EOF", "AUTOMATION_GIT_MEMORY_BYTES"],
  ["fatal: write error: File too large\nfatal: fetch-pack: invalid index-pack output", "AUTOMATION_MIRROR_QUOTA_BYTES"],
  ["error: rev-list died of signal 11", "nested too deep"],
  ["fatal: fetch-pack: invalid index-pack output", "more time to unpack"],
])("a bound that git met is told with its remedy, and is not waited for: %s", (stderr, remedy) => {
  expect(faultOf(stderr)).toMatchObject({ isPassing: false, remedy: expect.stringContaining(remedy) });
});

it("a cut connection is waited for, whatever it did to the pack", () => {
  expect(
    faultOf("error: RPC failed; curl 56\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output"),
  ).toMatchObject({ isPassing: true });
});

it("what the worker's own disk lacks is no fault of the repository", () => {
  expect(
    faultOf("fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output"),
  ).toBeUndefined();
});
