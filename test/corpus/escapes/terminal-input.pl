# Types a command into the terminal that the worker was started from.
# refused: (Inappropriate ioctl[^;]*; ){3}/dev/tty: (No such device or address|Input/output error|Permission denied)
my $typed = "!";
for my $number (0, 1, 2) {
  open(my $file, "+<&=", $number);
  print ioctl($file, 0x5412, $typed) ? "ESCAPED by $number; " : "$!; ";
}
print open(my $tty, "+<", "/dev/tty") ? "ESCAPED: a terminal\n" : "/dev/tty: $!\n";
