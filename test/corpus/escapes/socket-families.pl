# Opens sockets that reach beyond its network namespace or into rare parts of the kernel: of virtual machines, packets, cryptography, Bluetooth; also by the second numbering of x86-64.
# refused: ^opened: 1 2 10 16; pairs: 1; second numbering: (refused|absent)
my $arm = `uname -m` =~ /aarch64/;
my $pair = "\0" x 8;
my ($socket, $socketpair) = $arm ? (198, 199) : (41, 53);
my (%opened, %pairs);
for my $family (0 .. 63) { for my $type (1, 2, 3, 5) {
  $opened{$family} = 1 if syscall($socket, $family, $type, 0) >= 0 or $! != 97;
  $pairs{$family} = 1 if syscall($socketpair, $family, $type, 0, $pair) == 0;
} }
print "opened: @{[sort { $a <=> $b } keys %opened]}; pairs: @{[keys %pairs]}; ";
if ($arm) { print "second numbering: absent\n"; exit }
my $ended = 0;
for my $number (0x40000000 + 41, 521) { if (fork == 0) { exit(syscall($number, 40, 1, 0) >= 0 ? 0 : 1) } wait; $ended += 1 if $? != 0 }
print "second numbering: ", $ended == 2 ? "refused" : "ESCAPED", "\n";
