import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeBoxFiles } from "../../workers/workspace/sandbox/area/etc-of-boxes.ts";
import type { RunArea } from "../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import type { Sandbox } from "../../workers/workspace/sandbox/sandbox.ts";
import type { RanBox } from "../support/worlds/boxes.ts";
import { openTestArea, runInBox } from "../support/worlds/boxes.ts";

const folder = mkdtempSync(join(tmpdir(), "box-files-"));
let boxes: { readonly area: RunArea; readonly sandbox: Sandbox };
let remove: () => Promise<void>;
beforeAll(async () => {
  const opened = await openTestArea();
  boxes = { area: opened.area, sandbox: createBubblewrap({ area: opened.area }) };
  remove = opened.remove;
});
afterAll(async () => {
  await remove();
  rmSync(folder, { recursive: true });
});

const own = ["group", "gitconfig", "hostname", "hosts", "localtime", "mtab", "nsswitch.conf", "passwd", "timezone"];

describe("/etc of a box", () => {
  /** Everything below it but folders. */
  const filesIn = (at: string) =>
    readdirSync(at, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name).slice(at.length + 1))
      .sort();
  const shown = [
    "alternatives/java",
    "debian_version",
    "fonts/fonts.conf",
    "java-99-openjdk/security/java.security",
    "ld.so.cache",
    "locale.alias",
    "maven/m2.conf",
    "mime.types",
    "perl/Net/libnet.cfg",
    "php/8.2/cli/php.ini",
    "protocols",
    "python3.99/sitecustomize.py",
    "services",
    "ssl/certs/ca.pem",
    "ssl/openssl.cnf",
    "terminfo/x/x",
  ];
  const hidden = [
    "shadow",
    "passwd-",
    "gshadow",
    "sudoers",
    "machine-id",
    "resolv.conf",
    "fstab",
    "crontab",
    "environment",
    "ssh/ssh_host_ed25519_key",
    "ssl/private/server.key",
    "profile.d/tokens.sh",
    "cron.d/job",
    "apt/auth.conf",
    "npmrc",
    "pip.conf",
    "gitconfig-work",
    "maven/settings.xml",
    "php/8.2/fpm/pool.d/www.conf",
    "javahome",
    "docker/key.json",
    "kubernetes/admin.conf",
    "a-file-of-tomorrow",
    "ssl/a-file-of-tomorrow",
    "opt/java-1/x",
  ];

  it("holds what toolchains need of the host's and files of its own, and nothing else: what nobody listed is not there", async () => {
    const [from, to] = [join(folder, "etc"), join(folder, "box-etc")];
    for (const name of [...shown, ...hidden, ...own]) {
      mkdirSync(dirname(join(from, name)), { recursive: true });
      if (name.startsWith("alternatives/")) symlinkSync("/usr/bin/true", join(from, name));
      else writeFileSync(join(from, name), "of the host\n");
    }
    await writeBoxFiles(from, to);
    expect(filesIn(to)).toEqual([...shown, ...own].sort());
    for (const name of own) expect(execFileSync("head", ["-1", join(to, name)]).toString()).not.toBe("of the host\n");
  });

  it("takes nothing that not everybody may read, and no pipe or socket", async () => {
    const [from, to] = [join(folder, "closed"), join(folder, "box-closed")];
    mkdirSync(join(from, "java-1/private"), { recursive: true });
    for (const name of ["java-1/open", "java-1/secret", "java-1/private/open", "services"])
      writeFileSync(join(from, name), "x");
    for (const name of ["java-1/secret", "services"]) chmodSync(join(from, name), 0o640);
    chmodSync(join(from, "java-1/private"), 0o750);
    execFileSync("mkfifo", [join(from, "java-1/pipe"), join(from, "rpc")]);
    await writeBoxFiles(from, to);
    expect(filesIn(to)).toEqual([...own, "java-1/open"].sort());
  });

  it("is what a box sees, read-only", async () => {
    const script =
      "cd /etc; find . ! -type d | cut -c3- | LC_ALL=C sort; for f in x passwd; do (echo x >> $f) 2> /dev/null && exit 9; done; exit 0";
    const { end, stdout } = await runInBox(boxes, ["sh", "-c", script]);
    expect(end.exitCode).toBe(0);
    expect(stdout.trim().split("\n")).toEqual(filesIn(join(boxes.area.root, "etc")));
    expect(readFileSync(join(boxes.area.root, "etc/passwd"), "utf8").split("\n")).toHaveLength(4);
  });
});

const said = ({ end, stdout, stderr, channel }: RanBox) => ({
  exitCode: end.exitCode,
  stdout: stdout.trim().split("\n").sort(),
  stderr: stderr.trim().split("\n").sort(),
  channel: channel.trim().split("\n").sort(),
});

describe("the standard streams and the channel", () => {
  it("can be opened by every path that names them, as a pipe can: by shells, tee, Node and Perl", async () => {
    const script = `set -e
      echo 1 > /dev/stdout; echo 2 > /dev/stderr; echo 3 > /dev/fd/1; echo 4 >> /proc/self/fd/2; echo 5 > /dev/fd/3
      echo 6 | tee /dev/stderr > /dev/null; echo 7 | tee /proc/self/fd/3 > /dev/null; bash -c 'echo 8 > /dev/stderr'
      test -z "$(cat /dev/stdin)"; exec 5<> /dev/stdout; echo 9 >&5
      (cd /proc/self/fd; echo 10 > 2)
      node -e 'const fs = require("fs"); fs.createWriteStream("/dev/stdout").end("11\\n"); fs.appendFileSync("/dev/stderr", "12\\n"); fs.writeFileSync("/proc/self/fd/3", "13\\n")'
      perl -e 'open my $f, ">", "/dev/stderr" or die $!; print $f "14\\n"; open $f, "+>>", "/dev/fd/3" or die $!; print $f "15\\n"'`;
    expect(said(await runInBox(boxes, ["sh", "-c", script], { hasChannel: true }))).toEqual({
      exitCode: 0,
      stdout: ["1", "11", "3", "9"],
      stderr: ["10", "12", "14", "2", "4", "6", "8"],
      channel: ["13", "15", "5", "7"],
    });
  });

  it("are a box's own: those of one box after the other, and of many side by side, are never mixed", async () => {
    const ran = await Promise.all(
      Array.from({ length: 8 }, async (_, slot) => {
        const one = await runInBox(boxes, ["sh", "-c", `echo a${slot} > /dev/stderr; echo b${slot} >&3`], {
          slot,
          hasChannel: true,
        });
        const next = await runInBox(boxes, ["sh", "-c", `echo c${slot} > /dev/stdout; sleep 60 > /dev/null & exit 0`], {
          slot,
        });
        return [one.stdout, one.stderr, one.channel, next.stdout, next.stderr, next.channel];
      }),
    );
    expect(ran).toEqual(ran.map((_, slot) => ["", `a${slot}\n`, `b${slot}\n`, `c${slot}\n`, "", ""]));
    expect(readdirSync(boxes.area.pipesDir).length).toBeLessThanOrEqual(8 * 3);
  });
});

it("a box has the devices that programs look for: null, zero, full, random, a terminal of its own, shared memory", async () => {
  const script = `set -e
    echo x > /dev/null; test "$(head -c 3 /dev/zero | wc -c)" = 3; test "$(cat /dev/random /dev/urandom 2> /dev/null | head -c 9 | wc -c)" = 9
    ! (echo x > /dev/full) 2> /dev/null; echo x > /dev/shm/x
    test "$(script --quiet --return --command tty /dev/null | tr -d '\\r')" = /dev/pts/0`;
  const { end, stderr } = await runInBox(boxes, ["bash", "-c", script]);
  expect([end.exitCode, stderr]).toEqual([0, ""]);
});
