# Looks for devices of the host: disks, memory, kernel log, virtual machines.
# refused: only harmless devices
for device in $(find /dev -type b) $(find /dev -type c); do
  case $device in
  /dev/null | /dev/zero | /dev/full | /dev/random | /dev/urandom | /dev/tty | /dev/ptmx | /dev/pts/*) ;;
  *) echo "ESCAPED: $device is there" ;;
  esac
done
echo "only harmless devices"
