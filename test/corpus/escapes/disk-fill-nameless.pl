# Fills the disk with files that have no name any more.
# ends: disk
my @kept;
my $block = "x" x 1048576;
for my $n (1 .. 60) {
  open(my $file, ">", "/workspace/f") or die "open: $!";
  unlink "/workspace/f";
  print $file $block for 1 .. 8;
  $file->flush if $file->can("flush");
  push @kept, $file;
}
print "ESCAPED: 480 MiB without a name\n" if !sleep 6;
sleep 60;
