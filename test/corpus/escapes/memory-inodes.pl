# Makes empty files in memory.
# ends: (disk|memory)
for my $folder ("/tmp", "/dev/shm") { for my $n (1 .. 200000) { open my $file, ">", "$folder/empty-$n" or last } }
sleep 20;
