# Reads what the worker has open and left open.
# refused: nothing beyond 0 1 2 3
for open in /proc/self/fd/*; do
  number=${open##*/}
  [ "$number" -gt 3 ] && [ -e "$open" ] && cat "$open" 2>/dev/null && echo "ESCAPED: $number is open"
done
echo "nothing beyond 0 1 2 3"
