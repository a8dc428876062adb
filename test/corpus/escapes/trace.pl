# Attaches to its init, reads another process's memory, and takes a descriptor of it.
# refused: attach: Operation not permitted; read: Operation not permitted; take: Operation not permitted
my $arm = `uname -m` =~ /aarch64/;
my $attached = syscall($arm ? 117 : 101, 16, 1, 0, 0);
print "ESCAPED: attached; " if $attached == 0;
print "attach: $!; ";
my $buffer = "\0" x 64;
my $to = pack("pQ", $buffer, 64);
my $read = syscall($arm ? 270 : 310, 1, $to, 1, $to, 1, 0);
print "ESCAPED: read; " if $read > 0;
print "read: $!; ";
my $taken = syscall(438, syscall(434, 1, 0), 1, 0);
print "ESCAPED: took a descriptor; " if $taken >= 0;
print "take: $!\n";
