# Fills pipes that nobody reads, in many processes.
# ends: memory
for my $process (1 .. 40) {
  next if fork;
  my @kept;
  while (pipe my $from, my $to) { $to->blocking(0); 1 while syswrite $to, "x" x 4096; push @kept, $from, $to }
  sleep 20;
}
sleep 20;
print "ESCAPED: pipes kept what they were given\n";
