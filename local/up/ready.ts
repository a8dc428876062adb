import { familyOf, memoryBytesOf } from "../engines/process-identity.ts";
import type { Screen } from "../screen.ts";
import { addressesOf, shownAddresses } from "./addresses.ts";
import type { Stack } from "./engines.ts";
import { describeStack } from "./engines.ts";

/** Prints that the stack is ready: start time, addresses, and memory of each part. */
export function tellReady(
  screen: Screen,
  stack: Stack,
  elapsedMs: number,
  members: { name: string; pid: number }[],
): void {
  const state = describeStack(stack);
  const { secretAccessKey: _secret, ...s3 } = state.s3;
  const { api, kafka, nats, temporal, issuer, scrum } = state;
  const seconds = (elapsedMs / 1000).toFixed(1);
  const addresses: [string, string][] = [
    ...Object.entries(shownAddresses(addressesOf(state))),
    ["state", `${stack.folder.upFile}, a log per process in ${stack.folder.dir}/logs`],
  ];
  const megabytes = (pids: number[]) => Math.round(pids.reduce((sum, pid) => sum + memoryBytesOf(pid), 0) / 1e6);
  const memory = [
    { process: "up", megabytes: megabytes([process.pid]) },
    ...members.map(({ name, pid }) => ({ process: name, megabytes: megabytes(familyOf(pid)) })),
  ];
  const total = memory.reduce((sum, { megabytes }) => sum + megabytes, 0);
  screen.tell(
    "ready",
    [
      `ready in ${seconds} s`,
      ...addresses.map(([name, address]) => `  ${name.padEnd(13)}${address}`),
      `memory ${total} MB: ${memory.map((part) => `${part.process} ${part.megabytes}`).join(", ")}`,
    ].join("\n"),
    { seconds: Number(seconds), pid: process.pid, api, kafka, nats, temporal, s3, issuer, scrum, memory },
  );
}
