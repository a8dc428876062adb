# Leaves a process behind, out of its session and forked twice, that ignores all it can ignore.
# refused: left behind
(setsid sh -c 'trap "" TERM HUP INT; (trap "" TERM HUP INT; while :; do sleep 1; done) & exit 0' </dev/null >/dev/null 2>&1 &)
echo "left behind"
