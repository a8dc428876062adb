# Changes its root, the first half of the old way out of one.
# refused: chroot: Operation not permitted
mkdir "/workspace/root";
print chroot("/workspace/root") ? "ESCAPED\n" : "chroot: $!\n";
