# Reads the keys of the worker's session, and keeps one of its own in the kernel.
# refused: add: Operation not permitted; read: Operation not permitted
my $arm = `uname -m` =~ /aarch64/;
my ($type, $name, $secret) = ("user\0", "escape\0", "x");
print syscall($arm ? 217 : 248, $type, $name, $secret, 1, -3) >= 0 ? "ESCAPED: added; " : "add: $!; ";
my $buffer = "\0" x 256;
print syscall($arm ? 219 : 250, 11, -3, $buffer, 256, 0) >= 0 ? "ESCAPED: read\n" : "read: $!\n";
