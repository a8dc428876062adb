# Clones into a new user namespace, past the call that the filter knows.
# refused: clone: (No space left on device|Operation not permitted|Permission denied)
my $arm = `uname -m` =~ /aarch64/;
my $pid = syscall($arm ? 220 : 56, 0x10000000 | 17, 0, 0, 0, 0);
if ($pid == 0) { exit 0 }
print $pid > 0 ? "ESCAPED into a user namespace\n" : "clone: $!\n";
