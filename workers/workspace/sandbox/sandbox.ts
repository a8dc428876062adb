import type { LimitHitJson, SandboxReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";

/** A folder or file of the host, as a box sees it. */
export interface Mount {
  readonly hostPath: string;
  /** Absolute path in the box. */
  readonly path: string;
  readonly mode: "ro" | "rw";
}

/** A UNIX socket of the host that a box may connect to; it sees nothing else of the folder that the socket lies in. */
export interface BoxSocket {
  /** Somebody listens there for as long as the box runs; the owner of the slot must be allowed to write to it. */
  readonly hostPath: string;
  /** Absolute path in the box. */
  readonly path: string;
}

/** Limits of one box. The sandbox report says by which mechanism each is enforced. */
export interface BoxLimits {
  readonly memoryBytes: number;
  readonly processes: number;
  /** Standard output, standard error and channel together. */
  readonly outputBytes: number;
  /** All that the box wrote: writable mounts, home and temporary files. */
  readonly diskBytes: number;
  readonly timeMs: number;
  /** A box without output, channel traffic or CPU use for this long has stalled. */
  readonly idleMs: number;
}

/** A program in a box: no network, nothing of the host or of another run but what is named here. Nothing of it survives its end. */
export interface BoxSpec {
  /** 0 and up, one run at a time. In class `uid` it decides the host user. */
  readonly slot: number;
  readonly argv: readonly string[];
  /** Absolute path in the box. */
  readonly cwd: string;
  /** Added to the variables that every box has (docs/workspaces.md). The worker's own environment is never passed on. */
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** The only way out of the box; none unless told. */
  readonly sockets?: readonly BoxSocket[];
  /** Host folder that is the home of the box, writable. */
  readonly home: string;
  /** Whether file descriptor 3 is a channel to the caller. */
  readonly hasChannel: boolean;
  readonly limits: BoxLimits;
  /** Time from SIGTERM to SIGKILL after an abort. */
  readonly graceMs: number;
}

/** Takes the output of a box. A chunk is taken when its promise has settled; until then this box waits, and no other. */
export interface BoxOutput {
  readonly onStdout: (chunk: Buffer) => void | Promise<void>;
  readonly onStderr: (chunk: Buffer) => void | Promise<void>;
  readonly onChannel?: (chunk: Buffer) => void | Promise<void>;
}

/** How a box ended. */
export interface BoxEnd {
  /** Absent when a signal ended it. */
  readonly exitCode?: number;
  /** For example `SIGKILL`. */
  readonly signal?: string;
  /** The limit that ended it. */
  readonly limit?: LimitHitJson;
  /** Whether the caller's signal ended it. */
  readonly isStopped: boolean;
}

/** Class `uid` or `userns`; see docs/workspaces.md. */
export interface Sandbox {
  readonly isolation: "ISOLATION_CLASS_UID" | "ISOLATION_CLASS_USERNS";
  /** The host user and group that files of a slot belong to. */
  ownerOf(slot: number): { readonly uid: number; readonly gid: number };
  /**
   * Runs one program until it ends. When the signal aborts, its main process gets SIGTERM; after the grace everything is killed.
   * @throws SandboxError when the box itself can't be made, never for what the program did
   */
  run(spec: BoxSpec, output: BoxOutput, signal: AbortSignal): Promise<BoxEnd>;
  /** Tries every claim; see `SandboxReport`. @throws SandboxUnprovenError with the claim that does not hold and its remedy */
  prove(signal: AbortSignal): Promise<SandboxReportJson>;
}
