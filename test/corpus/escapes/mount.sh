# Mounts, binds and unmounts.
# refused: refused 4 of 4
n=0
mount -t tmpfs none /tmp 2>/dev/null && echo "ESCAPED: tmpfs" || n=$((n + 1))
mount --bind /usr /workspace 2>/dev/null && echo "ESCAPED: bind" || n=$((n + 1))
mount -o remount,rw / 2>/dev/null && echo "ESCAPED: remount" || n=$((n + 1))
umount /workspace 2>/dev/null && echo "ESCAPED: unmounted" || n=$((n + 1))
echo "refused $n of 4"
