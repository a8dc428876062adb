// Runs in a box while the sandbox is proved: tries what must not be possible and prints the outcome of each attempt as JSON.
import { execFileSync, spawn } from "node:child_process";
import { lookup } from "node:dns/promises";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

const { otherRun, workerPid, loopbackPort, calls, segmentBytes } = JSON.parse(process.argv[2]);

const outcome = (attempt) => {
  try {
    return attempt() ?? "done";
  } catch (error) {
    return error.code ?? String(error.message);
  }
};
const canWrite = (folder) => {
  const path = `${folder}/probe-${process.pid}`;
  const result = outcome(() => writeFileSync(path, "x"));
  if (result === "done") rmSync(path);
  return result === "done";
};
const everyFolder = [
  "",
  "/usr",
  "/usr/bin",
  "/etc",
  "/opt",
  "/opt/node",
  "/opt/node/bin",
  "/proc",
  "/dev",
  "/home",
  "/var",
  "/run",
  "/root",
];
const given = ["/workspace", "/home/persona", "/tmp", "/dev/shm"];
const status = readFileSync("/proc/self/status", "utf8");
const connected = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(2000, () => resolve("ETIMEDOUT"));
    socket.on("connect", () => resolve("connected"));
    socket.on("error", (error) => resolve(error.code));
  });
/** Tries to change another process of the box through its files in /proc and through system calls. */
const attempts = (pid) => {
  const open = (name, flags) => outcome(() => closeSync(openSync(`/proc/${pid}/${name}`, flags)));
  const script = `my %calls = @ARGV; my $text = "\\0" x 8; my $at = pack("pQ", $text, 8);
    my @tried = (["attach", $calls{ptrace}, 16, ${pid}, 0, 0], ["seize", $calls{ptrace}, 16902, ${pid}, 0, 0],
      ["read", $calls{process_vm_readv}, ${pid}, $at, 1, $at, 1, 0], ["write", $calls{process_vm_writev}, ${pid}, $at, 1, $at, 1, 0],
      ["descriptor", $calls{pidfd_getfd}, syscall(434, ${pid}, 0), 1, 0]);
    for (@tried) { my ($name, $number, @with) = @$_; my $done = syscall($number + 0, @with); print "$name ", $done < 0 ? $! + 0 : "done", "\\n" }`;
  const tried = execFileSync("perl", ["-e", script, ...Object.entries(calls).flat()], { encoding: "utf8" });
  return { write: open("mem", "r+"), calls: tried.trim().split("\n"), open };
};
const openedFamilies = () => {
  const script = `my %calls = @ARGV; my %opened; my $pair = "\\0" x 8;
    for my $family (0 .. 63) { for my $type (1, 2, 3, 5) {
      $opened{$family} = 1 if syscall($calls{socket} + 0, $family, $type, 0) >= 0 or $! != 97; # EAFNOSUPPORT
      $opened{$family} = 1 if syscall($calls{socketpair} + 0, $family, $type, 0, $pair) == 0 or $! != 97;
    } }
    print join " ", sort { $a <=> $b } keys %opened`;
  const opened = execFileSync("perl", ["-e", script, ...Object.entries(calls).flat()], { encoding: "utf8" });
  return opened.split(" ").map(Number);
};
const unownedMemory = () => {
  const script = `my %calls = @ARGV; my $name = "probe\\0";
    my @tried = (["memfd_create", $name, 0], ["msgget", 0, 512], ["semget", 0, 1, 512], ["shmget", 0, ${segmentBytes + 1}, 512]);
    for (@tried) { my ($name, @with) = @$_; print "$name ", syscall($calls{$name} + 0, @with) < 0 ? $! + 0 : "done", "\\n" }`;
  const tried = execFileSync("perl", ["-e", script, ...Object.entries(calls).flat()], { encoding: "utf8" });
  return tried.trim().split("\n");
};
const init = attempts(1);
const sibling = spawn("sleep", ["20"]);
const other = attempts(sibling.pid);
sibling.kill();

console.log(
  JSON.stringify({
    writable: [...everyFolder, ...given].filter(canWrite),
    otherRun: outcome(() => readFileSync(otherRun, "utf8")),
    processes: readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number),
    processNamespace: outcome(() => readlinkSync("/proc/self/ns/pid")),
    workerEnvironment: outcome(() => readFileSync(`/proc/${workerPid}/environ`, "utf8")),
    init: {
      write: init.write,
      read: init.open("mem", "r"),
      environment: init.open("environ", "r"),
      descriptors: outcome(() => readdirSync("/proc/1/fd").join() || "listed"),
      root: outcome(() => readlinkSync("/proc/1/root")),
      calls: init.calls,
    },
    families: openedFamilies(),
    unownedMemory: unownedMemory(),
    other: { write: other.write, calls: other.calls },
    routes: readFileSync("/proc/net/route", "utf8").trim().split("\n").slice(1),
    devices: readFileSync("/proc/net/dev", "utf8")
      .trim()
      .split("\n")
      .slice(2)
      .map((line) => line.split(":")[0].trim()),
    name: await lookup("example.com").then(
      () => "resolved",
      (error) => error.code,
    ),
    loopback: await connected(loopbackPort),
    userNamespace: outcome(() => execFileSync("unshare", ["-U", "true"], { stdio: "pipe" }) && "made"),
    environment: Object.keys(process.env).sort(),
    capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(
      (name) => new RegExp(`${name}:\t(\\w+)`).exec(status)?.[1],
    ),
    noNewPrivileges: /NoNewPrivs:\t(\d)/.exec(status)?.[1],
    filter: /Seccomp:\t(\d)/.exec(status)?.[1],
  }),
);
