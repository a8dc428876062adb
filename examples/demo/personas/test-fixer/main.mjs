import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { changesOf } from "./changes.mjs";
import { send } from "./channel.mjs";
import { failuresOf } from "./report.mjs";

/** Exit codes of run-events/1. */
const done = 0;
const gaveUp = 20;

const mostTries = 60;
const longestTestMs = 10_000;
const root = process.cwd();

process.exitCode = main(process.env.TASK_FILE ?? "/task/task.json");

/** Reads what fails, looks where it comes from, and tries small changes there until every test passes. */
function main(taskFile) {
  const task = JSON.parse(readFileSync(taskFile, "utf8"));
  const failures = task.reports.flatMap(({ path }) => (existsSync(path) ? failuresOf(readFileSync(path, "utf8")) : []));
  const [failure] = failures;
  if (failure === undefined) return giveUp("no report names a failed test");
  send("message", { text: `"${failure.name}" fails: ${failure.wrong}` });
  const testFile = locate(failure.file);
  if (testFile === undefined) return giveUp(`the test file ${failure.file} is not here`);
  tellPlan(0);
  const sources = importsOf(testFile);
  tellPlan(1);
  for (const [tried, { source, change }] of candidates(sources, failure.name).entries()) {
    send("progress", { percent: Math.round((100 * tried) / mostTries), text: `${source}:${change.line}` });
    if (!passesWith(source, change)) continue;
    tellPlan(3);
    const summary = `${source}:${change.line} has "${change.after}" in place of "${change.before}"`;
    send("message", { text: summary });
    send("artifact", { path: source, title: "the mended source" });
    send("progress", { percent: 100, text: "every test passes" });
    send("result", { result: { summary, file: source, line: change.line, tried: tried + 1 } });
    return done;
  }
  return giveUp(`no small change to ${sources.join(", ") || "any source"} makes every test pass`);
}

/** @returns path from the root: the report may name the folder in which another box saw it */
function locate(file) {
  const parts = file.split("/").filter(Boolean);
  const from = parts.findIndex((_, index) => existsSync(join(root, ...parts.slice(index))));
  return from < 0 ? undefined : parts.slice(from).join("/");
}

/** @returns the sources that a file imports, and those that they import, nearest first */
function importsOf(file) {
  const found = [];
  const look = [file];
  for (let next = look.shift(); next !== undefined; next = look.shift()) {
    for (const [, specifier] of readFileSync(join(root, next), "utf8").matchAll(/\bfrom "(\.[^"]+)"/g)) {
      const source = relative(root, resolve(root, dirname(next), specifier));
      if (!source.startsWith("src/") || found.includes(source) || !existsSync(join(root, source))) continue;
      found.push(source);
      look.push(source);
    }
  }
  return found;
}

function candidates(sources, testName) {
  return sources
    .flatMap((source) =>
      changesOf(readFileSync(join(root, source), "utf8"), testName).map((change) => ({ source, change })),
    )
    .slice(0, mostTries);
}

/** @returns whether every test passes; if not, the source is as it was */
function passesWith(source, change) {
  const path = join(root, source);
  const before = readFileSync(path);
  const detail = `${source}:${change.line}: ${change.after}`;
  send("tool.started", { name: "node --test", detail });
  writeFileSync(path, change.text);
  const { status } = spawnSync(process.execPath, ["--test"], { cwd: root, stdio: "ignore", timeout: longestTestMs });
  send("tool.completed", { name: "node --test", detail: status === 0 ? "every test passes" : "a test fails" });
  if (status !== 0) writeFileSync(path, before);
  return status === 0;
}

function tellPlan(finished) {
  const steps = ["Find the source that the failing test imports", "Try small changes there", "Run every test again"];
  send("plan", { items: steps.map((text, index) => ({ text, done: index < finished })) });
}

function giveUp(why) {
  send("message", { text: `I give up: ${why}` });
  return gaveUp;
}
