# Takes the CPU from everybody: higher priority, real time.
# refused: refused 3 of 3
n=0
renice -n -20 -p $$ >/dev/null 2>&1 && echo "ESCAPED: priority" || n=$((n + 1))
chrt -f 99 true 2>/dev/null && echo "ESCAPED: real time" || n=$((n + 1))
ionice -c 1 true 2>/dev/null && echo "ESCAPED: real time of the disk" || n=$((n + 1))
echo "refused $n of 3"
