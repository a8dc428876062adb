# Links files of the host into its workspace, and its own files out of it.
# refused: refused 3 of 3
n=0
ln /usr/bin/id /workspace/id 2>/dev/null && echo "ESCAPED: a program" || n=$((n + 1))
ln /etc/passwd /home/persona/passwd 2>/dev/null && echo "ESCAPED: passwd" || n=$((n + 1))
echo x >/workspace/own && ln /workspace/own /opt/node/own 2>/dev/null && echo "ESCAPED: into Node" || n=$((n + 1))
echo "refused $n of 3"
