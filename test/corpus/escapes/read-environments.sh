# Reads the environment of every process it can see, its init's first.
# refused: no secret in [1-4] environments
n=0
for process in /proc/[0-9]*; do
  n=$((n + 1))
  if tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -q WORKER_CANARY; then echo "ESCAPED: $process"; fi
done
cat "/proc/$WORKER_PID/environ" 2>/dev/null | grep -q WORKER_CANARY && echo "ESCAPED: the worker's"
echo "no secret in $n environments"
