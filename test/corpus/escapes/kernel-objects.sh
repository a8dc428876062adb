# Changes the kernel's own objects: its control groups, devices and power.
# refused: no /sys; refused 3 of 3
[ -e /sys/kernel ] && echo "ESCAPED: /sys is there" || printf "no /sys; "
n=0
for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/power/state /proc/1/oom_score_adj; do
  if (echo -1000 >$file) 2>/dev/null; then echo "ESCAPED: $file"; else n=$((n + 1)); fi
done
echo "refused $n of 3"
