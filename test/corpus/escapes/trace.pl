# Attaches to its init and reads another process's memory.
# refused: attach: Operation not permitted; read: Operation not permitted
my $arm = `uname -m` =~ /aarch64/;
my $attached = syscall($arm ? 117 : 101, 16, 1, 0, 0);
print "ESCAPED: attached; " if $attached == 0;
print "attach: $!; ";
my $buffer = "\0" x 64;
my $to = pack("pQ", $buffer, 64);
my $read = syscall($arm ? 270 : 310, 1, $to, 1, $to, 1, 0);
print "ESCAPED: read; " if $read > 0;
print "read: $!\n";
