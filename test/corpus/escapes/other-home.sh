# Reads another run's home, by its path and through every process's root.
# refused: (No such file or directory.*){2}one home
cat "$OTHER_HOME/secret" 2>&1 && echo "ESCAPED by its path"
for root in /proc/[0-9]*/root; do
  cat "$root$OTHER_HOME/secret" 2>/dev/null && echo "ESCAPED through $root"
done
cat "/proc/$NEIGHBOUR_PID/root/home/persona/secret" 2>&1 && echo "ESCAPED through the neighbour"
[ "$(ls /home)" = persona ] && echo "one home"
