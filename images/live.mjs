// Runs the program from the volume /live, where Tilt puts what was changed, and starts it again after each change. Without that volume, it runs as it was built.
// Not by `node --watch`: what that has worker threads report, Temporal's worker takes for its own messages.
import { spawn } from "node:child_process";
import { accessSync, constants, cpSync, existsSync, symlinkSync, watch } from "node:fs";

/** Files of one change come one after the other. */
const settlesWithinMs = 200;
const parts = ["src", "workers"];
const isLive = canWrite("/live");
const folder = isLive ? "/live" : "/build";
let child;
let isChanged = false;
let isEnding = false;
let settled;

if (isLive) {
  for (const part of [...parts, "package.json"]) cpSync(`/build/${part}`, `/live/${part}`, { recursive: true });
  if (!existsSync("/live/node_modules")) symlinkSync("/build/node_modules", "/live/node_modules");
  for (const part of parts) watch(`/live/${part}`, { recursive: true }, change);
}
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => end(signal));
start();

function start() {
  isChanged = false;
  child = spawn(process.execPath, [`${folder}/src/cli/automation.ts`, ...process.argv.slice(2)], { stdio: "inherit" });
  child.once("exit", (code) => {
    child = undefined;
    if (isEnding || !isLive) process.exit(code ?? 1);
    if (isChanged) start();
    else console.error(`it ended with ${code}, and starts again after the next change`);
  });
}

function change() {
  clearTimeout(settled);
  settled = setTimeout(() => {
    if (isEnding) return;
    isChanged = true;
    if (child === undefined) start();
    else child.kill("SIGTERM");
  }, settlesWithinMs);
}

function end(signal) {
  isEnding = true;
  if (child === undefined) process.exit(0);
  child.kill(signal);
}

function canWrite(path) {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
