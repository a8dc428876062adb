import type { SandboxReportJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import type { ControlGroups } from "./control-groups.ts";
import { watchEveryMs } from "./watch-limits.ts";

/**
 * Says what enforces each limit of a box on this machine, for the report of the sandbox.
 * @param groups - absent: memory and processes are watched
 * @param faultOfDisks - why disks are watched; absent: places have file systems of their own
 */
export function mechanismsOf(
  groups: ControlGroups | undefined,
  faultOfDisks: string | undefined,
): SandboxReportJson["limits"] {
  const watchdog = `watchdog ${watchEveryMs} ms`;
  const hard = (limit: string, mechanism: string) => ({ limit, strength: "hard", mechanism });
  const watched = (limit: string, mechanism: string) => ({ limit, strength: "watchdog", mechanism });
  return [
    groups === undefined
      ? watched("memory", `${watchdog}: PSS, files in memory, page tables, descriptors and sockets`)
      : hard("memory", groups.memory),
    groups === undefined
      ? watched("processes", `${watchdog}, rlimit nproc just above`)
      : hard("processes", groups.processes),
    hard("time", "timer"),
    watched("idle", `${watchdog}: output, channel, CPU`),
    hard("output", "counted as it is read"),
    faultOfDisks === undefined
      ? hard("disk", "file system of its own: ext4 on a loop device")
      : watched(
          "disk",
          `watchdog 50 ms: room of the disk, du, files in memory, nameless files; fallocate refused; ${faultOfDisks}`,
        ),
    hard("file_size", "rlimit fsize"),
    hard("open_files", "rlimit nofile 1024"),
    hard("temporary_files", "tmpfs size"),
  ];
}
