import type { Architecture, CallNumbers } from "./system-calls.ts";

/**
 * Refused calls. No build or test needs them, and they reach what namespaces don't separate: keys of the host's user, tracing, mounts, the kernel's own
 * programs, modules and clocks.
 */
export const refusedCalls = {
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  unshare: [272, 97],
  setns: [308, 268],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  settimeofday: [164, 170],
} as const satisfies Record<string, CallNumbers>;

export const socketCalls = { socket: [41, 198], socketpair: [53, 199] } as const satisfies Record<string, CallNumbers>;

/** The families of sockets that a box may have (Linux `bits/socket.h`): others reach the host, or parts of the kernel that no build or test needs. */
export const socketFamilies = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;

/** Allocates disk blocks without writing, faster than a watchdog can count. */
export const allocationCalls = { fallocate: [285, 47] } as const satisfies Record<string, CallNumbers>;

/** Calls that make memory which belongs to no process and no folder: anonymous files, message queues, semaphores. Programs have fallbacks for kernels without them. */
export const unownedMemoryCalls = {
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  msgget: [68, 186],
  semget: [64, 190],
} as const satisfies Record<string, CallNumbers>;

/** Shared memory segments outlive the processes that use them. Segments of one page are allowed: databases use one to mark a folder as taken, and a box can have at most 4,096. */
export const segmentCalls = { shmget: [29, 194] } as const satisfies Record<string, CallNumbers>;
export const segmentBytes = 4_096;

/** Changing the size of socket buffers does nothing but reports success. Programs cope, since kernels may cut the size that they ask for. */
const optionCalls = { setsockopt: [54, 208] } as const satisfies Record<string, CallNumbers>;
const socketLevel = 1; // SOL_SOCKET
const bufferOptions = { sendBuffer: 7, receiveBuffer: 8 } as const;

/** What is refused, too, where the kernel sets no limit on it. */
export interface AlsoRefused {
  readonly allocation: boolean;
  readonly unownedMemory: boolean;
}

const load = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const give = 0x06;
const allow = 0x7fff0000;
const killProcess = 0x80000000;
const error = 0x00050000;
const notPermitted = error | 1; // EPERM
const noSuchFamily = error | 97; // EAFNOSUPPORT
const noSuchCall = error | 38; // ENOSYS
const notSupported = error | 95; // EOPNOTSUPP
const tooLarge = error | 22; // EINVAL, as above `kernel.shmmax`
/** First number of the x32 calls on x86-64. */
const secondNumbering = 0x40000000;
/** Numbers of x32 calls that kernels before 5.4 also accept without the x32 bit. */
const onlySecond = { first: 512, after: 548 } as const;

/** Offset of the low half of the first argument: the kernel reads no more of a socket family. */
const firstArgument = 16;
const secondArgument = 24;
const thirdArgument = 32;
const done = error | 0;

/** One BPF instruction. `ifTrue` and `ifFalse` say how many of the following ones a jump skips. */
type Step = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const onlySmallSegments: readonly Step[] = [
  [load, 0, 0, secondArgument + 4], // its high half
  [jumpIfEqual, 0, 3, 0],
  [load, 0, 0, secondArgument],
  [jumpIfAtLeast, 1, 0, segmentBytes + 1],
  [give, 0, 0, allow],
  [give, 0, 0, tooLarge],
];

const noLargerBuffers: readonly Step[] = [
  [load, 0, 0, secondArgument],
  [jumpIfEqual, 0, 4, socketLevel],
  [load, 0, 0, thirdArgument],
  [jumpIfEqual, 1, 0, bufferOptions.sendBuffer],
  [jumpIfEqual, 0, 1, bufferOptions.receiveBuffer],
  [give, 0, 0, done],
  [give, 0, 0, allow],
];

/**
 * The classic BPF program for `bwrap --seccomp`: answers refused calls with EPERM, answers other socket families and what is also refused like a kernel that lacks them,
 * and kills processes that make calls of another architecture.
 */
export function systemCallFilter({ audit, column }: Architecture, also: AlsoRefused): Buffer {
  const on = (calls: Record<string, CallNumbers>, then: readonly Step[]) =>
    Object.values(calls).flatMap((numbers): Step[] => [[jumpIfEqual, 0, then.length, numbers[column]], ...then]);
  const families = Object.values(socketFamilies);
  const onlyFamilies: readonly Step[] = [
    [load, 0, 0, firstArgument],
    ...families.map((family, at): Step => [jumpIfEqual, families.length - at, 0, family]),
    [give, 0, 0, noSuchFamily],
    [give, 0, 0, allow],
  ];
  const steps: readonly Step[] = [
    [load, 0, 0, 4], // seccomp_data.arch
    [jumpIfEqual, 1, 0, audit],
    [give, 0, 0, killProcess],
    [load, 0, 0, 0], // seccomp_data.nr
    [jumpIfAtLeast, 0, 1, secondNumbering],
    [give, 0, 0, killProcess],
    [jumpIfAtLeast, 0, 2, onlySecond.first],
    [jumpIfAtLeast, 1, 0, onlySecond.after],
    [give, 0, 0, notPermitted],
    ...on(refusedCalls, [[give, 0, 0, notPermitted]]),
    ...on(socketCalls, onlyFamilies),
    ...(also.allocation ? on(allocationCalls, [[give, 0, 0, notSupported]]) : []),
    ...(also.unownedMemory ? on(unownedMemoryCalls, [[give, 0, 0, noSuchCall]]) : []),
    ...(also.unownedMemory ? on(segmentCalls, onlySmallSegments) : []),
    ...(also.unownedMemory ? on(optionCalls, noLargerBuffers) : []),
    [give, 0, 0, allow],
  ];
  const program = Buffer.alloc(steps.length * 8);
  for (const [at, [code, ifTrue, ifFalse, value]] of steps.entries()) {
    program.writeUInt16LE(code, at * 8);
    program.writeUInt8(ifTrue, at * 8 + 2);
    program.writeUInt8(ifFalse, at * 8 + 3);
    program.writeUInt32LE(value, at * 8 + 4);
  }
  return program;
}
