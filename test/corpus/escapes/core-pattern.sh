# Has the host's kernel run a program of its own when something crashes, or restart the host.
# refused: refused 4 of 4
n=0
for file in sys/kernel/core_pattern sys/kernel/modprobe sysrq-trigger sys/fs/binfmt_misc/register; do
  if (echo "|/workspace/escape" >"/proc/$file") 2>/dev/null; then echo "ESCAPED: $file"; else n=$((n + 1)); fi
done
echo "refused $n of 4"
