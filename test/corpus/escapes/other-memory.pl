# Changes the memory of the process that started it, of its own user, by its file and by the file of its thread.
# refused: mem: Read-only file system; mem: Read-only file system; end 0
if (fork == 0) {
  my $parent = getppid;
  for ("/proc/$parent/mem", "/proc/$parent/task/$parent/mem") { print open(my $memory, "+<", $_) ? "ESCAPED: writes $_; " : "mem: $!; " }
  exit 0;
}
wait;
print "end $?\n";
