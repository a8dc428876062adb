import { expect, it } from "vitest";
import { diffLines } from "./diff-lines.ts";

const patch = `diff --git a/src/a.js b/src/a.js
index 1..2 100644
--- a/src/a.js
+++ b/src/a.js
@@ -1,2 +1,2 @@
 one
-two
+\u001b[2Jtw\to
--- a line that only looks like a head
`;

it("keeps every line of a patch and lets none of its control characters through", () => {
  const lines = diffLines(patch);
  expect(lines).toEqual([
    "diff --git a/src/a.js b/src/a.js",
    "index 1..2 100644",
    "--- a/src/a.js",
    "+++ b/src/a.js",
    "@@ -1,2 +1,2 @@",
    " one",
    "-two",
    "+\\x1b[2Jtw  o",
    "--- a line that only looks like a head",
  ]);
});
