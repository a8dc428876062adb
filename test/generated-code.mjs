// Regenerates src/gen into a folder of its own and fails on any difference, so that the committed code is what the protos say.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fresh = mkdtempSync(join(tmpdir(), "automation-gen-"));
try {
  execFileSync("buf", ["generate", "--output", fresh], { stdio: "inherit" });
  execFileSync("diff", ["-r", "src/gen", join(fresh, "src/gen")], { stdio: "inherit" });
} catch {
  process.stderr.write("src/gen is not what proto/ generates; run `npm run generate` and commit the result\n");
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
