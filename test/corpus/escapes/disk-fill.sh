# Fills the disk from folders that it then closes to everybody.
# ends: disk
i=0
while :; do
  i=$((i + 1))
  mkdir "/workspace/d$i" && head -c 8388608 /dev/zero >"/workspace/d$i/f" && chmod 0 "/workspace/d$i"
done
