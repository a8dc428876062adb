# Makes the first disk and the kernel's memory as device files of its own.
# refused: (Operation not permitted.*){2}
mknod /workspace/disk b 8 0 2>&1 && echo "ESCAPED: a disk"
mknod /tmp/memory c 1 1 2>&1 && echo "ESCAPED: memory"
exit 0
