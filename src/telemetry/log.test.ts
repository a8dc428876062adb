import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

it("a line of the log is one line, and shows what moves or hides what stands around it", () => {
  const hostile = "a\u2028b\u009b2J\u202e\u0085\u200b";
  const module = join(import.meta.dirname, "log.ts");
  const code = `import { createLog } from ${JSON.stringify(module)};
    createLog("api", "info").warn({ tenant: ${JSON.stringify(hostile)}, err: new Error(${JSON.stringify(hostile)}) }, ${JSON.stringify(hostile)});`;
  const line = execFileSync(process.execPath, ["--input-type=module", "--eval", code], { encoding: "utf8" });
  expect(line).toMatch(/^[\x20-\x7e]+\n$/);
  expect(JSON.parse(line)).toMatchObject({ process: "api", tenant: hostile, msg: hostile, err: { message: hostile } });
});
