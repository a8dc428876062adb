import type { SandboxClaimJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import type { Place } from "../area/run-folder.ts";
import { allocationCalls } from "../box/system-call-filter.ts";
import { architectureOf } from "../box/system-calls.ts";
import type { BoxEnd } from "../sandbox.ts";
import type { RunTrial, Trial } from "./trial.ts";
import { endOfTrial } from "./trial.ts";

const mebibyte = 1_048_576;
const forgersExit = 41;
/** Of a place that a trial fills. */
const smallDiskBytes = 32 * mebibyte;

/**
 * Goes beyond limits in boxes, and tries to forge an exit code.
 * @param newPlace - makes one with a limit of its own
 * @param hasDisks - whether places have file systems of their own
 */
export async function limitClaims(
  run: RunTrial,
  newPlace: (diskBytes: number) => Promise<Place>,
  hasDisks: boolean,
): Promise<SandboxClaimJson[]> {
  const forged = await run(["perl", "-e", forge], {});
  const allocated = await run(["node", "-e", allocate], { memoryBytes: 128 * mebibyte });
  const forked = await run(["node", "-e", fork], { processes: 32 });
  const filled = await run(["perl", "-e", fill()], { diskBytes: smallDiskBytes }, await newPlace(smallDiskBytes));
  return [
    exitCodeClaim(forged),
    limitClaim("memory", allocated.end),
    limitClaim("processes", forked.end),
    diskClaim(filled, hasDisks),
  ];
}

/** Allocates 800 MiB in small steps and then waits, so that only the limit can end the box. */
const allocate = `const kept = [];
for (let n = 0; n < 100; n += 1) kept.push(Buffer.alloc(8 * 1048576, 1));
setTimeout(() => {}, 20000);`;
/** Starts 200 processes and ignores those that fail. */
const fork = `const { spawn } = require("node:child_process");
for (let n = 0; n < 200; n += 1) spawn("sleep", ["20"]).on("error", () => {});
setTimeout(() => {}, 20000);`;
/** Tries to make the box report another exit code than its own: through its init, and from a child process. */
const forge = `$SIG{$_} = "IGNORE" for grep { !/^(KILL|STOP|CHLD|CLD|__|NUM)/ } keys %SIG;
sub overwrite { open my $memory, "+<", "/proc/$_[0]/mem" or return 0; seek $memory, 4096, 0; print $memory "0" x 64; 1 }
if (fork == 0) { kill $_, 1 for 1 .. 64; overwrite(1); kill "STOP", 1; exit(overwrite(getppid) ? 1 : 0) }
wait;
exit($? == 0 ? ${forgersExit} : 0);`;

/** Takes eight times the room of a small place, by fallocate or else by writing. Prints the outcome of the first fallocate, and waits. */
const fill = () => `$| = 1;
for my $n (1 .. 16) {
  open my $file, ">", "filled-$n" or next;
  my $taken = syscall(${allocationCalls.fallocate[architectureOf().column]}, fileno $file, 0, 0, ${16 * mebibyte});
  print $taken == 0 ? "done" : $! + 0, "\\n" if $n == 1;
  syswrite $file, "x" x ${16 * mebibyte} if $taken != 0;
}
sleep 20`;

const exitCodeClaim = (trial: Trial): SandboxClaimJson => ({
  id: "exit_code",
  held: trial.end.exitCode === forgersExit,
  detail: `a program that tried to forge its exit code ${forgersExit} ended with ${endOfTrial(trial)}`,
});

const limitClaim = (name: string, { limit, exitCode, signal }: BoxEnd): SandboxClaimJson => ({
  id: name,
  held: limit?.name === name,
  detail:
    limit?.name === name
      ? `a box beyond its limit of ${limit.limit} was ended at ${limit.peak}`
      : `a box beyond its limit went on to ${limit?.name ?? signal ?? exitCode}`,
});

/** Where a place has no file system of its own, fallocate must be refused, so that it fills only as fast as it is written to. */
const diskClaim = ({ end, stdout }: Trial, hasDisks: boolean): SandboxClaimJson => {
  const { held, detail } = limitClaim("disk", end);
  const isAsSaid = hasDisks
    ? end.limit?.mechanism === "hard" && Number(end.limit.peak) < 2 * smallDiskBytes
    : stdout !== "done\n";
  return { id: "disk", held: held === true && isAsSaid, detail: `${detail}; fallocate: ${stdout.trim()}` };
};
