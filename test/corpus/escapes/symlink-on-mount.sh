# Puts a link where the workspace is mounted, and writes through links that leave it.
# refused: (Read-only file system.*){4}No such file
rmdir /workspace 2>&1
rm -rf /workspace 2>&1
mv /workspace /tmp/elsewhere 2>&1 && echo "ESCAPED: moved the mount"
ln -s / /workspace/up && touch /workspace/up/etc/escape 2>&1 && echo "ESCAPED by a link"
ln -s "$OUTSIDE" /workspace/out && cat /workspace/out 2>&1 && echo "ESCAPED to the host"
exit 0
