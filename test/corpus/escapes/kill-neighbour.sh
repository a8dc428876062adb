# Kills the worker, a neighbour's box and all it can.
# refused: (No such process.*){2}
kill -9 "$NEIGHBOUR_PID" 2>&1 && echo "ESCAPED: the neighbour"
kill -9 "$WORKER_PID" 2>&1 && echo "ESCAPED: the worker"
trap '' TERM
kill -TERM -1 2>&1
exit 0
