# Makes empty files, more than a disk of its size has, and ends at once.
# ends: disk
for my $n (1 .. 40000) { open my $file, ">", "empty-$n" or last }
