#!/usr/bin/env node
// @ts-check
/** Starts the program with the Node of the packages, whatever Node the machine has; installs packages first when they are missing. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, cacheDir, SetupError } from "./bootstrap.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const args = process.argv.slice(2);

try {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    throw new SetupError(
      `Node ${process.versions.node} is too old to begin with; install Node 20 or newer from https://nodejs.org`,
    );
  }
  const node = await bootstrap({ root, forUp: args[0] === "up" && !args.includes("--help") });
  handOver(node);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`automation: ${error.message}`);
  process.exitCode = 1;
}

/** @param {string} node */
function handOver(node) {
  // Before the program starts, so that no signal is missed.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])) {
    process.on(signal, () => child.kill(signal));
  }
  // When this process is killed, the kernel sends SIGTERM to the program.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", node, join(root, "src", "cli", "automation.ts"), ...args], {
    stdio: "inherit",
    env: { NODE_COMPILE_CACHE: join(cacheDir(), "compiled"), ...process.env }, // most of a command's time is loading
  });
  child.once("error", (error) => {
    console.error(`automation: cannot run setpriv: ${error.message}; install the package util-linux and start again`);
    process.exitCode = 1;
  });
  child.once("exit", (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 1 : constants.signals[signal]));
  });
}
