import type { Architecture, CallNumbers } from "./system-calls.ts";

const calls = {
  close: [3, 57],
  setgroups: [116, 159],
  setresgid: [119, 149],
  setresuid: [117, 147],
  prctl: [157, 167],
  prlimit64: [302, 261],
} as const satisfies Record<string, CallNumbers>;

/** Limits of `setrlimit(2)`, in the numbers of the kernel. */
const limits = { fileSize: 1, core: 4, processes: 6, openFiles: 7 } as const;

/** Beginning of our Perl programs: `call` makes a system call by name, and ends the program when the call fails. */
const preamble = ({
  column,
}: Architecture) => `my %calls = (${Object.entries(calls).map(([name, numbers]) => `${name} => ${numbers[column]}`)});
sub call { my $name = shift; syscall($calls{$name}, @_) == 0 or die "$name: $!\\n" }
sub limit { my ($which, $most) = @_; call("prlimit64", 0, $which + 0, pack("QQ", $most, $most), 0) }
`;

/** Closes inherited descriptors, enters the control groups, lowers its priority, becomes the user, gives up gaining privileges, sets limits, and executes the command. */
const launch = `my ($keep, $uid, $gid, $fileSize, $groups) = splice @ARGV, 0, 5;
opendir my $open, "/proc/self/fd" or die "/proc/self/fd: $!\\n";
for (readdir $open) { syscall($calls{close}, $_ + 0) if /^\\d+$/ and $_ > $keep }
for my $file (splice @ARGV, 0, $groups) {
  open my $group, ">", $file or die "$file: $!\\n";
  syswrite $group, "0" or die "$file: $!\\n";
}
setpriority 0, 0, 10;
if ($uid) { call("setgroups", 0, 0); call("setresgid", ($gid + 0) x 3); call("setresuid", ($uid + 0) x 3) }
call("prctl", 38, 1, 0, 0, 0); # PR_SET_NO_NEW_PRIVS
limit(${limits.openFiles}, 1024);
limit(${limits.core}, 0);
limit(${limits.fileSize}, $fileSize);
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\\n";
`;

/**
 * The first process of a box: starts the program, waits for it, and exits with its exit code, or 128 + its signal. It also reaps orphans.
 * It is not dumpable, so no other process of its user can read or change its memory, descriptors or root.
 */
const init = `call("prctl", 4, 0, 0, 0, 0); # PR_SET_DUMPABLE
my ($processes, $variables) = splice @ARGV, 0, 2;
my %variables = map { split /=/, $_, 2 } splice @ARGV, 0, $variables;
my $program = fork;
defined $program or die "fork: $!\\n";
if ($program == 0) {
  limit(${limits.processes}, $processes) if $processes;
  %ENV = %variables;
  exec { $ARGV[0] } @ARGV or print STDERR "$ARGV[0]: $!\\n";
  exit 127;
}
while ((my $ended = wait) != -1) { exit($? & 127 ? 128 + ($? & 127) : $? >> 8) if $ended == $program }
`;

/** Beginning of a box's command line, which runs on the host. */
export function launcher(
  how: {
    /** The last descriptor that the box gets. */
    readonly keep: number;
    /** Host user to become; absent without root. */
    readonly owner: { readonly uid: number; readonly gid: number } | undefined;
    /** Of one file. */
    readonly fileBytes: number;
    /** The cgroup.procs files to enter. */
    readonly groups: readonly string[];
  },
  architecture: Architecture,
): string[] {
  const { uid, gid } = how.owner ?? { uid: 0, gid: 0 };
  const numbers = [how.keep, uid, gid, how.fileBytes, how.groups.length].map(String);
  return ["perl", "-e", preamble(architecture) + launch, "--", ...numbers, ...how.groups];
}

/** Beginning of the command line inside the box; the program's argv follows. */
export function boxInit(
  how: {
    /** RLIMIT_NPROC, counted within the box's own user namespace. */
    readonly nproc: number | undefined;
    readonly env: Readonly<Record<string, string>>;
  },
  architecture: Architecture,
): string[] {
  const variables = Object.entries(how.env).map(([name, value]) => `${name}=${value}`);
  const numbers = [how.nproc ?? 0, variables.length].map(String);
  return ["/usr/bin/perl", "-e", preamble(architecture) + init, "--", ...numbers, ...variables];
}
