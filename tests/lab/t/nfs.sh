#!/bin/bash
# An NFS server that does not answer: no guest stays paused, nothing hangs beyond its timeout.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
lab_conf
backup
filer cut nfs
start=$(now_ms)
moon backup --policy daily >"$OUT" 2>"$ERR"
code=$?
took=$(($(now_ms) - start))
check 'a backup ends' [ $code -lt 124 ]
printf '    exit %d after %d ms\n' $code $took
check_eq 'nobody is paused' "$(virsh -q list --state-paused --name | tr -d '\n')" ''
check 'the guest on the LUN runs on' counts /dev/mapper/$LUN1
filer uncut
check 'the guest on NFS goes on' counts /mnt/nas1/nas.img
check_exit 'and the next backup is whole' 0 moon backup --policy daily
finish
