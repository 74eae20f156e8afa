#!/bin/bash
# A clone of a LUN from a snapshot on this host, ten times: used, and taken away with no path left behind.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
lab_conf
backup
disks() { find /sys/block -name 'sd*' | wc -l; }
maps() { dmsetup ls --target multipath | wc -l; }
cat >clone.lua <<'LUA'
local workflow = require "std.workflow"
local discovery = require "std.discovery"
local ontap = require "std.ontap"
local process = require "std.process"
local san = require "std.san"

return workflow {
  action = "cloneCheck", summary = "read each LUN's last backup through a clone", phases = { "discover", "check" },
  discover = function(ctx)
    assert(ontap.identify(ctx))
    return discovery.run(ctx)
  end,
  check = function(ctx)
    for _, guest in ipairs(ctx.guests) do
      for n = 1, guest.name == "san" and 10 or 0 do
        assert(san.with_clone(ctx, guest.disks[1].object, ctx.opts.backupName, function(device)
          return process.run { "dd", "if=" .. device, "of=/root/lab/clone" .. n, "bs=1M", "iflag=direct" }
        end))
      end
    end
    return true
  end,
}
LUA
wanted=$(sum "/srv/filer/svm1/vol_san/.snapshot/$SNAP/lun1")
before="$(disks) $(maps)"
check_exit 'ten clones, one after the other, are used' 0 timeout 600 ./moonsnap run clone.lua --backupName "$SNAP" "${WHERE[@]}"
same=0
for n in 1 2 3 4 5 6 7 8 9 10; do
  if [ "$(sum clone$n)" = "$wanted" ]; then same=$((same + 1)); fi
done
check_eq 'and held the bytes of the snapshot' $same 10
check_eq 'no disk and no map is left' "$(disks) $(maps)" "$before"
check_eq 'and no LUN' "$(find /srv/filer/svm1/vol_san -maxdepth 1 -name '*moonsnap*' | wc -l)" 0
check_eq 'the original has its two paths' "$(usable $LUN1)" 2
check 'and its guest counts' counts /dev/mapper/$LUN1
finish
