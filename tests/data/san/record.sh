#!/bin/bash
# record.sh NAME: what this host says of its block devices, into NAME.tree, NAME.maps and NAME.dm. Runs in the lab.
#   NAME.tree  one entry a line: PATH/ (a directory), PATH<tab>>TARGET (a link), PATH<tab>=TEXT, PATH<tab>:HEX
#   NAME.maps  the reply of multipathd to `show maps json`
#   NAME.dm    device-mapper's table and status of each map: "table NAME: ..." and "status NAME: ..."
set -u
out=$1
entry() { # path
  local p=$1 text
  if [ -L "$p" ]; then printf '%s\t>%s\n' "${p#/}" "$(readlink "$p")"
  elif [ -d "$p" ]; then printf '%s/\n' "${p#/}"
  elif [ -f "$p" ]; then
    case $p in
      */vpd_pg*) printf '%s\t:%s\n' "${p#/}" "$(od -A n -v -t x1 "$p" 2>/dev/null | tr -d ' \n')" ;;
      *) IFS= read -r text <"$p" 2>/dev/null; printf '%s\t=%s\n' "${p#/}" "$text" ;;
    esac
  fi
}
{
  for b in /sys/block/dm-* /sys/block/sd*; do
    [ -e "$b" ] || continue
    d=$(readlink -f "$b")
    entry "$b"
    for a in dev size ro removable device holders slaves dm dm/name dm/uuid dm/suspended; do entry "$d/$a"; done
    for l in "$d"/holders/* "$d"/slaves/*; do entry "$l"; done
    for p in "$d"/*/partition; do
      [ -e "$p" ] || continue
      q=${p%/partition}
      entry "$q"
      for a in partition dev size holders; do entry "$q/$a"; done
      for l in "$q"/holders/*; do entry "$l"; done
    done
    if [ -L "$d/device" ]; then
      s=$(readlink -f "$d/device")
      entry "$s"
      for a in vendor model rev state type access_state preferred_path wwid dh_state vpd_pg80 vpd_pg83; do entry "$s/$a"; done
      n=$(dirname "$(dirname "$s")")
      for t in "$n"/iscsi_session/*; do entry "$t"; for a in targetname state; do entry "$t/$a"; done; done
    fi
  done
  for l in /sys/dev/block/8:* /sys/dev/block/253:* /sys/class/iscsi_session/* /dev/mapper/* /dev/disk/by-id/*; do
    if [ -L "$l" ]; then entry "$l"; fi
  done
} >"$out.tree"
timeout 10 multipathd show maps json >"$out.maps" 2>/dev/null
{ dmsetup table | sed 's/^/table /'; dmsetup status | sed 's/^/status /'; } >"$out.dm"
