#!/bin/sh
# sanlun.sh: stands in for NetApp's sanlun: copied as `sanlun` into a directory, prints what lies there as `maps`
# (lun show -p -v all) and `paths` (lun show all). With a file `fails` it says that and fails; with `hangs` it hangs.
here=$(dirname "$0")
if [ -e "$here/hangs" ]; then exec sleep 30; fi
if [ -e "$here/fails" ]; then
  cat "$here/fails" >&2
  exit 1
fi
case "$*" in
  'lun show -p -v all') cat "$here/maps" ;;
  'lun show all') cat "$here/paths" ;;
  *) echo "sanlun: unknown arguments: $*" >&2; exit 2 ;;
esac
