# Writes where the host's programs, settings and Node are.
# refused: 7 of 7 Read-only file system
n=0
for folder in / /usr/bin /etc /opt/node/bin /dev /home /usr/lib; do
  if touch "$folder/escape" 2>/tmp/said; then echo "ESCAPED into $folder"; fi
  grep -q "Read-only file system" /tmp/said && n=$((n + 1))
done
echo "$n of 7 Read-only file system"
