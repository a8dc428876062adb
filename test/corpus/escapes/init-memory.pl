# Reads and changes the memory of its init, and looks at its descriptors, root and environment; init does not hear its signals either.
# refused: mem: Permission denied; mem: Permission denied; fd: Permission denied; root: Permission denied; environ: Permission denied; still there
print open(my $read, "<", "/proc/1/mem") ? "ESCAPED: reads; " : "mem: $!; ";
print open(my $write, "+<", "/proc/1/mem") ? "ESCAPED: writes; " : "mem: $!; ";
print opendir(my $descriptors, "/proc/1/fd") ? "ESCAPED: lists; " : "fd: $!; ";
print readlink("/proc/1/root") ? "ESCAPED: sees; " : "root: $!; ";
print open(my $environ, "<", "/proc/1/environ") ? "ESCAPED: reads; " : "environ: $!; ";
kill $_, 1 for 1 .. 64;
print kill(0, 1) ? "still there\n" : "gone\n";
