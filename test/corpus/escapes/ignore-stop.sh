# Ignores the request to stop, in itself and in its children.
# stops: SIGKILL
trap '' TERM HUP INT
(while :; do sleep 0.1; done) &
echo "ready"
while :; do sleep 0.1; done
