# Takes room without writing, sixteen times what it may, or writes twice what it may where it can't; and ends at once.
# ends: disk
my $arm = `uname -m` =~ /aarch64/;
for my $n (1 .. 16) {
  open my $file, ">", ($n % 2 ? "/workspace" : $ENV{HOME}) . "/taken-$n" or next;
  my $taken = syscall($arm ? 47 : 285, fileno $file, 0, 0, 128 << 20);
  syswrite $file, "x" x (16 << 20) if $taken != 0;
}
