import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { goBuild } from "../../local/engines/go-build.mjs";
import { identify } from "../../local/engines/process-identity.ts";
import { waitUntil } from "../../local/engines/wait-until.ts";

/** A clone that needs one package, and a PATH with nothing but what the launcher asks for; its npm does what the test says. */
let root: string;
let npmRuns: string;

const lock = JSON.stringify({ packages: { "": {}, "node_modules/node": { version: "24.0.0" } } });
/** Our Node, as far as the launcher is concerned: says what it was given. */
const ownNode = `#!/bin/sh
echo "handed over: $*"
[ "$2" = wait ] && exec sleep 60
exit 7
`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "automation-clone-"));
  npmRuns = join(root, "npm-runs");
  for (const folder of ["src/cli", "local/engines/s3"]) mkdirSync(join(root, folder), { recursive: true });
  mkdirSync(join(root, "bin"));
  const clone = join(import.meta.dirname, "../..");
  const cli = ["automation.mjs", "bootstrap.mjs", "progress.mjs"].map((file) => `src/cli/${file}`);
  for (const file of [...cli, "local/engines/go-build.mjs", "automation"]) cpSync(join(clone, file), join(root, file));
  writeFileSync(join(root, "package-lock.json"), lock);
  writeFileSync(join(root, "own-node"), ownNode, { mode: 0o755 });
  symlinkSync(process.execPath, join(root, "bin", "node"));
  for (const program of ["sh", "git", "flock", "setpriv", "sleep", "mkdir", "cp", "env", "dirname", "readlink"]) {
    symlinkSync(
      existsSync(`/usr/bin/${program}`) ? `/usr/bin/${program}` : `/bin/${program}`,
      join(root, "bin", program),
    );
  }
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function programDoes(program: string, script: string): void {
  writeFileSync(join(root, "bin", program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, "bin", program), 0o755);
}

const npmDoes = (script: string) => programDoes("npm", `echo "$*" >> ${npmRuns}\n${script}`);

const installs = `sleep 0.2
mkdir -p node_modules/node/bin node_modules/.bin
cp own-node node_modules/node/bin/node; cp own-node node_modules/.bin/node
cp package-lock.json node_modules/.package-lock.json`;

const launch = (...args: string[]) => start(join(root, "automation"), args);
/** As in a terminal of 80 columns; its output is in `stdout`. */
const launchInTerminal = (...args: string[]) =>
  start("/usr/bin/script", ["-qefc", [join(root, "automation"), ...args].join(" "), "/dev/null"]);

function start(program: string, args: string[]) {
  const env = { PATH: join(root, "bin"), HOME: root, SHELL: "/bin/sh" };
  const child = spawn(program, args, { env, cwd: tmpdir(), stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  const done = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, ...output })),
  );
  return { child, done };
}

const runsOfNpm = () => (existsSync(npmRuns) ? readFileSync(npmRuns, "utf8").trim().split("\n") : []);

describe("the launcher", () => {
  it("installs once, hands its arguments over from any folder, and answers the program's exit code", async () => {
    npmDoes(installs);
    const first = await launch("run", "list", "--json").done;
    expect(first).toMatchObject({
      code: 7,
      stdout: `handed over: ${join(root, "src/cli/automation.ts")} run list --json\n`,
    });
    expect(first.stderr).toContain("installed packages in");
    expect((await launch("run").done).stderr).toBe("");
    expect(runsOfNpm()).toEqual([expect.stringMatching(/^ci --prefer-offline/)]);
  });

  it("counts the packages on one live line of a terminal, and leaves the line that says how long it took", async () => {
    const failed = "npm http fetch GET https://registry.invalid/node attempt 1 failed with EAI_AGAIN";
    const fetched = "npm http fetch GET 200 https://registry.invalid/node-24.0.0.tgz 3ms (cache miss)";
    const waits = (file: string) => `while [ ! -e ${file} ]; do sleep 0.05; done`;
    npmDoes(`echo '${failed}' >&2; ${waits("again")}; echo '${fetched}' >&2; ${waits("seen")}; ${installs}`);
    const { child, done } = launchInTerminal("run");
    let seen = "";
    child.stdout.on("data", (chunk) => {
      seen += chunk;
      if (seen.includes("the registry is silent (EAI_AGAIN); trying again")) writeFileSync(join(root, "again"), "");
      if (seen.includes("1 of 1 packages fetched")) writeFileSync(join(root, "seen"), "");
    });
    const { stdout } = await done;
    const rows = stdout.split("\u001b[J").map((part) => part.split("\u001b")[0]?.trim());
    expect(rows).toContainEqual(expect.stringMatching(/^installing packages: 1 of 1 packages fetched \(\d+ s\)$/));
    expect(stdout.split("\u001b[J").at(-1)).toMatch(/^installed packages in \d+ s\r\nhanded over: .* run\r\n$/);
  });

  it("brings a Debian package while packages come, as root, and prints the command to others", async () => {
    const asked = join(root, "asked-of-apt");
    programDoes(
      "apt-get",
      `echo "$*" >> ${asked}; while [ ! -s ${npmRuns} ]; do sleep 0.05; done; cp ${root}/own-node ${root}/bin/bwrap`,
    );
    const isRoot = process.getuid?.() === 0;
    npmDoes(`${isRoot ? `while [ ! -s ${asked} ]; do sleep 0.05; done;` : ""} ${installs}`);
    const { code, stderr } = await launch("up").done;
    expect(code).toBe(7);
    expect(stderr).toMatch(
      isRoot
        ? /^installed bwrap \(the sandbox of workspace steps\) in \d+ s$/m
        : /^missing: bwrap .*; install with `sudo apt-get install -y bubblewrap`$/m,
    );
    if (isRoot) expect(readFileSync(asked, "utf8")).toMatch(/ install -y --no-install-recommends bubblewrap\n$/);
  });

  it("says what could not be installed, and goes on without it", async () => {
    programDoes("apt-get", "echo 'E: Could not get lock' >&2; exit 100");
    npmDoes(installs);
    const { code, stderr } = await launch("up").done;
    expect(code).toBe(7);
    expect(stderr).toMatch(/apt-get install -y bubblewrap`/);
  });

  it("has Go compile the S3 server while packages come, and ends that when they are there", async () => {
    const goRuns = join(root, "go-runs");
    programDoes("go", `mkdir "$GOTMPDIR/half"; echo "$$;$PWD;$GOTMPDIR;$*" >> ${goRuns}; exec sleep 60`);
    npmDoes(`[ "$1" = ci ] && ${installs}`);
    expect((await launch("run").done).code).toBe(7);
    expect(existsSync(goRuns)).toBe(false);
    rmSync(join(root, "node_modules"), { recursive: true });
    npmDoes(`while [ ! -s ${goRuns} ]; do sleep 0.05; done; ${installs}`);
    expect((await launch("up").done).code).toBe(7);
    const [pid, dir, kept = "", args] = readFileSync(goRuns, "utf8").split(";");
    expect(dir).toBe(join(root, "local", "engines", "s3"));
    expect(args?.trim()).toBe(["build", "-o", "/dev/null", ...goBuild].join(" "));
    expect(existsSync(kept)).toBe(false);
    const signal = AbortSignal.timeout(60_000);
    await waitUntil("its end", async () => identify(Number(pid)) === undefined, { limitMs: 60_000, signal });
    writeFileSync(join(root, "package-lock.json"), lock.replace("24.0.0", "24.0.1"));
    mkdirSync(join(root, ".cache", "automation-scheduler", "engines", "versitygw-1.8.0"), { recursive: true });
    npmDoes(installs);
    expect((await launch("up").done).code).toBe(7);
    expect(readFileSync(goRuns, "utf8").trim().split("\n")).toHaveLength(1);
  });

  it("installs again when the lock file asks for another version", async () => {
    npmDoes(installs);
    await launch().done;
    writeFileSync(join(root, "package-lock.json"), lock.replace("24.0.0", "24.0.1"));
    await launch().done;
    expect(runsOfNpm()).toHaveLength(2);
  });

  it("installs once when two are launched at the same time", async () => {
    npmDoes(installs);
    const both = await Promise.all([launch().done, launch().done]);
    expect(both.map(({ code }) => code)).toEqual([7, 7]);
    expect(runsOfNpm()).toHaveLength(1);
  });

  it("forwards a signal to the program and ends with it", async () => {
    npmDoes(installs);
    const { child, done } = launch("wait");
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGTERM");
    expect((await done).code).toBe(128 + 15);
  });

  it("ends an installation that is interrupted, and says that it starts anew", async () => {
    npmDoes("sleep 60");
    const { child, done } = launch();
    const signal = AbortSignal.timeout(60_000);
    await waitUntil("npm", async () => runsOfNpm().length > 0, { limitMs: 60_000, signal });
    child.kill("SIGINT");
    expect(await done).toMatchObject({ code: 130, stderr: expect.stringContaining("start again and it is done anew") });
  });

  it.each([
    ["a full disk", "echo 'npm error code ENOSPC' >&2; exit 1", "no space left to install packages"],
    ["no network", "echo 'npm error code ENOTFOUND' >&2; exit 1", "the package registry cannot be reached"],
    ["anything else", "echo 'npm error it is broken' >&2; exit 1", "npm ci failed (npm error it is broken)"],
    ["an installation that is not what was asked for", "exit 0", "still differs from package-lock.json"],
  ])("names %s and the remedy in one line", async (_what, npm, line) => {
    npmDoes(npm);
    const { code, stderr } = await launch().done;
    expect(code).toBe(1);
    const said = stderr.split("\n").filter((text) => text.startsWith("automation: "));
    expect(said).toEqual([expect.stringMatching(/start again|mend that/)]);
    expect(said[0]).toContain(line);
  });

  it("names a cache that cannot be written in one line", async () => {
    npmDoes(installs);
    writeFileSync(join(root, ".cache"), "a file");
    expect(await launch().done).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^automation: .*locks cannot be written \(ENOTDIR\); .* and start again$/m),
    });
  });

  it("names npm when it is missing, and a lock file that is gone", async () => {
    expect((await launch().done).stderr).toBe(
      "automation: npm is missing; install Node 20 or newer with npm from https://nodejs.org, and start again\n",
    );
    rmSync(join(root, "package-lock.json"));
    expect((await launch().done).stderr).toContain(
      "package-lock.json is missing or damaged; restore it with `git checkout",
    );
  });
});
