import { readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { boxesOf } from "../../workers/workspace/sandbox/area/reap-leftovers.ts";
import type { RunArea } from "../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import type { Sandbox } from "../../workers/workspace/sandbox/sandbox.ts";
import { openTestArea, processesMarked, runInBox } from "../support/worlds/boxes.ts";

let boxes: { readonly area: RunArea; readonly sandbox: Sandbox };
let remove: () => Promise<void>;

beforeAll(async () => {
  const opened = await openTestArea();
  boxes = { area: opened.area, sandbox: createBubblewrap({ area: opened.area }) };
  remove = opened.remove;
});
afterAll(() => remove());
afterEach(async () => {
  expect(await boxesOf(boxes.area.root)).toEqual([]);
  expect(readdirSync(boxes.area.runsDir)).toEqual([]);
});

describe("a program in a box", () => {
  it("has its output, its channel and its exit code taken", async () => {
    const ran = await runInBox(boxes, ["sh", "-c", "echo out; echo err >&2; echo told >&3; exit 3"]);
    expect(ran).toEqual({
      end: { exitCode: 3, isStopped: false },
      stdout: "out\n",
      stderr: "err\n",
      channel: "told\n",
    });
  });

  it("is told by its signal when one ended it", async () => {
    const { end } = await runInBox(boxes, ["sh", "-c", "kill -SEGV $$"]);
    expect(end).toEqual({ signal: "SIGSEGV", isStopped: false });
  });

  it("that doesn't exist ends with 127, as in a shell", async () => {
    expect((await runInBox(boxes, ["no-such-program"])).end).toEqual({ exitCode: 127, isStopped: false });
  });

  it("finds a user, localhost, Node and its variables, and nothing of the worker's environment", async () => {
    process.env.SANDBOX_CANARY = "canary"; // what the worker holds
    const script = `const { username, homedir } = require("node:os").userInfo();
      require("node:dns").lookup("localhost", (error, address) => console.log(JSON.stringify([username, homedir, address, process.env])));`;
    const ran = await runInBox(boxes, ["node", "-e", script], { env: { CI: "true" } });
    delete process.env.SANDBOX_CANARY;
    const [user, home, address, environment] = JSON.parse(ran.stdout);
    expect([user, home, address]).toEqual(["persona", "/home/persona", "127.0.0.1"]);
    expect(environment).toEqual({
      CI: "true",
      HOME: "/home/persona",
      LANG: "C.UTF-8",
      PWD: "/workspace",
      TMPDIR: "/tmp",
      TZ: "UTC",
      USER: "persona",
      LOGNAME: "persona",
      SHELL: "/bin/sh",
      TERM: "dumb",
      LSAN_OPTIONS: "detect_leaks=0",
      PATH: "/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/go/bin",
    });
  });

  it("waits while what it said is not taken, also when it has ended before", async () => {
    const taken = Promise.withResolvers<void>();
    let bytes = 0;
    const first = Promise.withResolvers<void>();
    const running = runInBox(boxes, ["sh", "-c", "head -c 900000 /dev/zero; echo done >&2"], {
      onStdout: async (chunk) => {
        bytes += chunk.length;
        first.resolve();
        await taken.promise;
      },
    });
    await first.promise;
    expect(bytes).toBeLessThan(900_000);
    taken.resolve();
    expect((await running).stderr).toBe("done\n");
    expect(bytes).toBe(900_000);
  });

  it("is ended, and its caller told, when what it said can't be taken", async () => {
    const full = new Error("the spool is full");
    const onStdout = () => Promise.reject(full);
    await expect(runInBox(boxes, ["sh", "-c", "echo x; sleep 60"], { onStdout })).rejects.toBe(full);
  });
});

describe("a stop", () => {
  it("asks the main process first, which may end as it likes", async () => {
    const stop = new AbortController();
    const script = `trap 'echo bye >&2; exit 7' TERM; echo up; while :; do sleep 0.05; done`;
    const ran = await runInBox(boxes, ["sh", "-c", script], { signal: stop.signal, onStdout: () => stop.abort() });
    expect(ran).toMatchObject({ end: { exitCode: 7, isStopped: true }, stderr: "bye\n" });
  });

  it("at any moment of a start or an end leaves nothing, and is answered", async () => {
    const mark = crypto.randomUUID();
    const ends = await Promise.all(
      Array.from({ length: 40 }, async (_, slot) => {
        const signal = AbortSignal.timeout(1 + slot * 3);
        return (await runInBox(boxes, ["sleep", "600"], { slot, signal, env: { MARK: mark }, graceMs: 50 })).end;
      }),
    );
    expect(ends.filter(({ isStopped }) => !isStopped)).toEqual([]);
    expect(processesMarked(mark)).toEqual([]);
  });

  it("before the start leaves nothing to end", async () => {
    const folder = await boxes.area.openRun(0, new AbortController().signal);
    const spec = { slot: 0, argv: ["true"], cwd: "/", env: {}, mounts: [], hasChannel: false, graceMs: 1 };
    const limits = { memoryBytes: 1e8, processes: 9, outputBytes: 1, diskBytes: 1e6, timeMs: 1e4, idleMs: 1e4 };
    const output = { onStdout: () => {}, onStderr: () => {} };
    const home = await folder.newFolder("home");
    const end = await boxes.sandbox.run({ ...spec, home, limits }, output, AbortSignal.abort());
    await folder.remove();
    expect(end).toEqual({ isStopped: true });
  });
});

describe("a limit ends the box by its name, with the peak", () => {
  it.each([
    ["time", ["sh", "-c", "while :; do :; done"], { timeMs: 400 }],
    ["idle", ["sleep", "60"], { idleMs: 600 }],
    ["output", ["sh", "-c", "yes"], { outputBytes: 100_000 }],
    ["disk", ["sh", "-c", "for i in 1 2 3; do head -c 9000000 /dev/zero > $i; done; sleep 60"], { diskBytes: 10e6 }],
    [
      "disk",
      ["sh", "-c", "for i in 1 2 3; do head -c 9000000 /dev/zero > /tmp/$i; done; sleep 60"],
      { diskBytes: 10e6 },
    ],
    ["disk", ["sh", "-c", "exec head -c 90000000 /dev/zero > one"], { diskBytes: 10e6 }],
    ["disk", ["sh", "-c", "for i in 1 2 3; do head -c 9000000 /dev/zero > $i; done"], { diskBytes: 10e6 }], // and ends before the first look
    ["disk", ["perl", "-e", "for (1 .. 6000) { open my $f, '>', $_ } sleep 60"], { diskBytes: 10e6 }], // empty files
    [
      "memory",
      ["node", "-e", "const a = []; setInterval(() => a.push(Buffer.alloc(8e6, 1)), 5)"],
      { memoryBytes: 160 * 2 ** 20 },
    ],
    ["processes", ["perl", "-e", "fork() // select(undef, undef, undef, 0.1) while 1"], { processes: 20 }],
  ] as const)("%s: %j", async (name, argv, limits) => {
    const { end } = await runInBox(boxes, argv, { limits });
    expect(end.limit?.name).toBe(name);
    expect(Number(end.limit?.peak)).toBeGreaterThanOrEqual(Number(end.limit?.limit));
    expect(end.isStopped).toBe(false);
  });

  it("and no neighbour of it", async () => {
    const calm = runInBox(boxes, ["sh", "-c", "sleep 1; echo fine"], { slot: 1 });
    const eat = "const a = []; setInterval(() => a.push(Buffer.alloc(8e6, 1)), 5)";
    const eager = await runInBox(boxes, ["node", "-e", eat], { limits: { memoryBytes: 160 * 2 ** 20 } });
    expect(eager.end.limit?.name).toBe("memory");
    expect(await calm).toMatchObject({ end: { exitCode: 0 }, stdout: "fine\n" });
  });

  it("but work without a word is not idle", async () => {
    const busy = "const end = Date.now() + 1500; while (Date.now() < end);";
    expect((await runInBox(boxes, ["node", "-e", busy], { limits: { idleMs: 700 } })).end).toEqual({
      exitCode: 0,
      isStopped: false,
    });
  });
});

it("ends a process that left its session, with the box", async () => {
  const mark = crypto.randomUUID();
  const script = "(setsid sh -c 'trap \"\" TERM; sleep 600' >/dev/null 2>&1 &); sleep 0.2";
  const { end } = await runInBox(boxes, ["sh", "-c", script], { env: { MARK: mark } });
  expect(end.exitCode).toBe(0);
  expect(processesMarked(mark)).toEqual([]);
});

it("refuses a mount whose source is a link", async () => {
  const folder = await boxes.area.openRun(1, new AbortController().signal);
  const link = join(folder.dir, "link");
  symlinkSync("/etc", link);
  const mounts = [{ hostPath: link, path: "/stolen", mode: "ro" as const }];
  await expect(runInBox(boxes, ["ls", "/stolen"], { mounts })).rejects.toMatchObject({ code: "sandbox_failed" });
  await folder.remove();
});

it("says why when the box itself can't be made", async () => {
  const running = runInBox(boxes, ["true"], { cwd: "/not/there" });
  await expect(running).rejects.toThrow(/the box can't be made .*Can't chdir to \/not\/there/);
});

describe("the proof", () => {
  it("holds here, and names every claim and every limit's mechanism", async () => {
    const report = await boxes.sandbox.prove(AbortSignal.timeout(60_000));
    expect(report.isolation).toBe(boxes.sandbox.isolation);
    expect(report.claims?.filter(({ held }) => held !== true)).toEqual([]);
    expect(report.claims?.map(({ id }) => id)).toEqual([
      "start",
      "write_outside",
      "other_run",
      "proc",
      "network",
      "host_loopback",
      "user_namespaces",
      "environment",
      "privileges",
      "system_calls",
      "socket_families",
      "unowned_memory",
      "init_memory",
      "other_memory",
      "exit_code",
      "memory",
      "processes",
      "disk",
    ]);
    expect(report.limits?.map(({ limit }) => limit)).toEqual([
      "memory",
      "processes",
      "time",
      "idle",
      "output",
      "disk",
      "file_size",
      "open_files",
      "temporary_files",
    ]);
    expect(report.engine).toMatch(/^bubblewrap \d/);
    expect(JSON.stringify(report)).not.toContain(boxes.area.root);
  });
});
