# Makes namespaces of its own, in which it would have every capability.
# refused: (unshare failed: [^;]*; ){4}
for flags in -U -Urm -Urn -p; do
  if unshare $flags true 2>/tmp/said; then echo "ESCAPED with $flags"; fi
  grep -q "unshare failed" /tmp/said && sed 's/^unshare: //' /tmp/said | tr '\n' ';' && printf ' '
done
