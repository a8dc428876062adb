import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { programVersion } from "../config/program-version.ts";
import { cloneDir } from "./clone.ts";

/** What an image holds: the program and its packages, and no local/. */
const image = mkdtempSync(join(tmpdir(), "automation-image-"));
for (const part of ["src", "package.json"]) cpSync(join(cloneDir, part), join(image, part), { recursive: true });
symlinkSync(join(cloneDir, "node_modules"), join(image, "node_modules"));
afterAll(() => rmSync(image, { recursive: true }));

function automation(...words: string[]) {
  const { AUTOMATION_TOKEN: _, AUTOMATION_API_URL: __, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(image, "src/cli/automation.ts"), ...words], {
    cwd: image,
    encoding: "utf8",
    env,
  });
  return { status, text: stdout + stderr };
}

describe("the program without local/", () => {
  it("says its version and what it can do", () => {
    expect(automation("version")).toMatchObject({ status: 0, text: expect.stringContaining(programVersion()) });
    expect(automation("up", "--help")).toMatchObject({ status: 0, text: expect.stringContaining("--fresh") });
  });

  it("asks an api that is named", () => {
    const scope = ["--tenant", "acme", "--org", "retail"];
    const named = ["--api-url", "http://127.0.0.1:9", "--token", "t"];
    expect(automation("run", "list", ...scope, ...named)).toMatchObject({
      status: 3,
      text: expect.stringContaining("127.0.0.1:9"),
    });
    expect(automation("run", "list", ...scope)).toMatchObject({
      status: 3,
      text: expect.stringContaining("no local stack here: this is no clone of the repository; give --api-url"),
    });
  });

  it.each([["up"], ["demo"], ["status"], ["stop"], ["logs"], ["url"]])("says that `%s` needs a clone", (verb) => {
    expect(automation(verb)).toMatchObject({
      status: 3,
      text: expect.stringContaining("run this command in a clone of the repository"),
    });
  });

  it("is brought up by a bootstrap that needs no local/ either", () => {
    const load = `await import(${JSON.stringify(join(image, "src/cli/bootstrap.mjs"))})`;
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", load], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});
