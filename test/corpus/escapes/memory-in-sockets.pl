# Fills the buffers of sockets that nobody reads, with a buffer as large as it may ask for.
# ends: memory
use Socket;
for my $process (1 .. 4) {
  next if fork;
  my (@kept, $data);
  $data = "x" x 65536;
  while (socketpair my $one, my $other, AF_UNIX, SOCK_STREAM, 0) {
    for my $end ($one, $other) {
      setsockopt $end, SOL_SOCKET, SO_SNDBUF, pack("l", 4 << 20);
      $end->blocking(0);
      1 while syswrite $end, $data;
    }
    push @kept, $one, $other;
  }
  sleep 20;
}
sleep 20;
print "ESCAPED: sockets kept what they were given\n";
