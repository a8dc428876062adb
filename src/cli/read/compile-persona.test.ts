import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeTar } from "../../personas/canonical-tar.ts";
import { CliError } from "../cli-error.ts";
import { cloneDir } from "../clone.ts";
import { compilePersona } from "./compile-persona.ts";

const manifest = `
id: mender
version: "1.2"
title: Mends
runtime:
  command:
    argv: [node, /persona/main.mjs]
outputSchema: result.schema.json
`;

let dir: string;
let folder: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "automation-persona-"));
  folder = personaIn("persona");
});
afterEach(() => rmSync(dir, { recursive: true }));

function personaIn(name: string): string {
  const made = join(dir, name);
  mkdirSync(join(made, "lib"), { recursive: true });
  put(made, "persona.yaml", manifest);
  put(made, "main.mjs", "import './lib/a.mjs';\n");
  put(made, "lib/a.mjs", "1;\n");
  put(made, "result.schema.json", '{"type":"object"}\n');
  return made;
}

function put(into: string, name: string, text: string): void {
  writeFileSync(join(into, name), text);
}

function refusal(path = folder): string {
  try {
    compilePersona(path);
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 2) return error.message;
    throw error;
  }
  return "accepted";
}

const pathsOf = (path: string) => decodeTar(compilePersona(path).bundle).map((file) => file.path);
const golden = "9976ca7a9695df51ebaecda135d7583fa9f11836a283ce939031f615f6735fc5";

describe("a persona's folder", () => {
  it("becomes a bundle with its manifest as persona.json, and the same digest on any machine", () => {
    const compiled = compilePersona(folder);
    expect(compiled).toMatchObject({ id: "mender", version: "1.2", digest: golden });
    const files = decodeTar(compiled.bundle);
    expect(files.map(({ path }) => path)).toEqual(["lib/a.mjs", "main.mjs", "persona.json", "result.schema.json"]);
    expect(Buffer.from(files[2]?.bytes ?? []).toString()).toBe(
      '{"id":"mender","outputSchema":"result.schema.json","runtime":{"command":{"argv":["node","/persona/main.mjs"]}},"title":"Mends","version":"1.2"}',
    );
  });

  it("keeps its digest with other times, modes, order of creation, leftovers, comments and checkouts", () => {
    const other = join(dir, "other");
    mkdirSync(join(other, "lib"), { recursive: true, mode: 0o700 });
    mkdirSync(join(other, ".git"));
    mkdirSync(join(other, "empty"));
    for (const name of ["result.schema.json", "main.mjs", "lib/a.mjs"]) {
      cpSync(join(folder, name), join(other, name));
      utimesSync(join(other, name), 1, 1);
      chmodSync(join(other, name), 0o600);
    }
    for (const name of [".git/HEAD", ".DS_Store", "main.mjs~", ".main.mjs.swp", "lib/#a.mjs#", "Thumbs.db"])
      put(other, name, "left behind");
    put(other, "persona.yaml", `# Who mends\n${manifest.replace("outputSchema", "output_schema")}`);
    expect(compilePersona(other).digest).toBe(golden);

    const git = (...args: string[]) => {
      const quiet = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
      const { status, stderr } = spawnSync("git", args, { env: quiet, encoding: "utf8" });
      expect([status, stderr]).toEqual([0, ""]);
    };
    git("-C", folder, "init", "--quiet", "-b", "main");
    git("-C", folder, "add", "-A");
    git("-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "persona");
    git("clone", "--quiet", folder, join(dir, "clone"));
    expect(compilePersona(join(dir, "clone")).digest).toBe(golden);
  });

  it("has another digest when a byte, a name, the executable bit or the manifest changes", () => {
    const digests = [golden];
    for (const change of [
      () => put(folder, "lib/a.mjs", "2;\n"),
      () => chmodSync(join(folder, "main.mjs"), 0o755),
      () => put(folder, "lib/b.mjs", ""),
      () => put(folder, "persona.yaml", manifest.replace("Mends", "Mends all")),
    ]) {
      change();
      digests.push(compilePersona(folder).digest);
    }
    expect(new Set(digests).size).toBe(5);
  });

  it("may hold names of any script, which are kept in one normal form", () => {
    put(folder, "a\u0308.txt", "");
    expect(pathsOf(folder)).toContain("\u00e4.txt");
    put(folder, "\u00e4.txt", "");
    expect(refusal()).toContain("is there twice");
  });

  it.each([
    ["no manifest", (at: string) => rmSync(join(at, "persona.yaml")), "persona.yaml: does not exist"],
    ["an unknown field", yaml("titel: x"), ':9: titel "x": PersonaManifest has no such field; use one of id'],
    ["a bad id", yaml("id: Mender", "id: mender"), ':2: id "Mender": does not match regex pattern'],
    ["no runtime", (at: string) => put(at, "persona.yaml", 'id: a\nversion: "1"\n'), "runtime (absent)"],
    [
      "a number as version",
      yaml("version: 1.2", 'version: "1.2"'),
      ":3: version 1.2: expected string, got 1.2; put it",
    ],
    ["an unknown runtime", yaml("  comand:", "  command:"), ":7: runtime.comand"],
    [
      "a program that is not there",
      yaml("main.js]", "main.mjs]"),
      ':7: runtime.command.argv[1] "/persona/main.js": names',
    ],
    [
      "a schema that is not there",
      yaml("outputSchema: x.json", "outputSchema: result.schema.json"),
      ':8: outputSchema "x.json"',
    ],
    [
      "a schema that is no object",
      (at: string) => put(at, "result.schema.json", "[]"),
      "must be a JSON Schema that is a JSON object",
    ],
    [
      "a schema that is none",
      (at: string) => put(at, "result.schema.json", '{"type":"text"}'),
      "is not a schema of draft 2020-12",
    ],
    [
      "a schema of another draft",
      (at: string) => put(at, "result.schema.json", '{"$schema":"http://json-schema.org/draft-04/schema#"}'),
      "use draft 2020-12",
    ],
    [
      "a schema that refers elsewhere",
      (at: string) => put(at, "result.schema.json", '{"$ref":"https://example.org/x"}'),
      "refers to https://example.org/x",
    ],
    ["a persona.json of its own", (at: string) => put(at, "persona.json", "{}"), "is in the way"],
    [
      "a link",
      (at: string) => symlinkSync("/etc/passwd", join(at, "lib", "passwd")),
      "passwd is a link; a bundle has plain files only",
    ],
    ["a link to a folder", (at: string) => symlinkSync("/etc", join(at, "etc")), "etc is a link"],
    ["a pipe", (at: string) => spawnSync("mkfifo", [join(at, "pipe")]), "pipe is a special file"],
    ["two documents", yaml("---\nid: b"), "holds several"],
    [
      "4 MiB",
      (at: string) => writeFileSync(join(at, "big"), new Uint8Array(4 * 1024 * 1024)),
      "larger than 4194304 bytes",
    ],
    [
      "1,001 files",
      (at: string) => Array.from({ length: 1000 }, (_, n) => put(at, `f${n}`, "")),
      "more than 1000 files",
    ],
    [
      "folders that are too deep",
      (at: string) => mkdirSync(join(at, ..."d".repeat(21)), { recursive: true }),
      "is deeper than 20 folders",
    ],
  ])("with %s is refused, and the reason says where and what to do", (_, spoil, reason) => {
    spoil(folder);
    expect(refusal()).toContain(reason);
  });

  it("is a folder", () => {
    expect(refusal(join(folder, "main.mjs"))).toContain("is no folder; name the folder that holds persona.yaml");
  });
});

describe("the demo's personas", () => {
  it.each(["test-fixer", "test-breaker"])("%s can be published", (name) => {
    expect(compilePersona(join(cloneDir, "examples", "demo", "personas", name)).id).toBe(name);
  });
});

/** Writes the manifest with a line more, or with another one in place. */
function yaml(line: string, instead?: string) {
  const text = instead === undefined ? `${manifest}${line}\n` : manifest.replace(instead, line);
  return (at: string) => put(at, "persona.yaml", text);
}
