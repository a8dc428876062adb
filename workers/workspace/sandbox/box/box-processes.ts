import { readdirSync, readFileSync } from "node:fs";

const clockTicksMs = 10; // USER_HZ is 100 on every Linux

/** Every process of a box, its first one included: all others descend from it, since it is the init of their namespace. */
export function processesBelow(first: number): number[] {
  const found = [first];
  for (const pid of found) {
    for (const thread of namesIn(`/proc/${pid}/task`)) {
      for (const child of textIn(`/proc/${pid}/task/${thread}/children`).split(" ")) {
        if (child.trim() !== "") found.push(Number(child));
      }
    }
  }
  return found;
}

/** The program that the box runs: its init starts it as process 2 of the namespace. */
export const mainProcessBelow = (first: number): number | undefined =>
  processesBelow(first).find((pid) => /^NSpid:.*\t2$/m.test(textIn(`/proc/${pid}/status`)));

/** Processes and threads, as the kernel's limits count them. */
export const countOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + namesIn(`/proc/${pid}/task`).length, 0);

/** CPU time that processes and the children they waited for used; milliseconds. */
export const cpuOf = (pids: readonly number[]): number =>
  pids
    .map((pid) =>
      textIn(`/proc/${pid}/stat`)
        .replace(/^.*\) /, "")
        .split(" "),
    )
    .reduce((sum, fields) => sum + fields.slice(11, 15).reduce((part, ticks) => part + Number(ticks), 0), 0) *
  clockTicksMs;

/** Start time of a process, in clock ticks; tells it apart from a later process with the same number. Undefined when it has ended, also if it is a zombie. */
export function startOf(pid: number): string | undefined {
  const fields = textIn(`/proc/${pid}/stat`)
    .replace(/^.*\) /, "")
    .split(" ");
  return fields.length < 20 || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it has ended
  }
}

function textIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
