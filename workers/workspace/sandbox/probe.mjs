// Runs in a box while the sandbox is proved: tries what must not be possible and prints, as JSON, what happened to each try.
import { execFileSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

const { otherRun, workerPid, loopbackPort } = JSON.parse(process.argv[2]);

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

console.log(
  JSON.stringify({
    writable: [...everyFolder, ...given].filter(canWrite),
    otherRun: outcome(() => readFileSync(otherRun, "utf8")),
    processes: readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number),
    workerEnvironment: outcome(() => readFileSync(`/proc/${workerPid}/environ`, "utf8")),
    firstEnvironment: outcome(() =>
      readFileSync("/proc/1/environ", "utf8")
        .split("\0")
        .filter(Boolean)
        .map((line) => line.split("=")[0])
        .sort(),
    ),
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
