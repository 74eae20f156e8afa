#!/bin/bash
# An NFS server that does not answer: nobody stands still for it, nothing hangs beyond its timeout, nobody stays paused.
set -uo pipefail
# shellcheck source=../world.sh
. /root/lab/world.sh
lab_sim
cut='PRE_APP_QUIESCE_CMD01=SERVER:/usr/local/sbin/filer cut nfs'
paused() { virsh -q list --state-paused --name | tr -d '\n'; }

# between discovery and the first suspend; the guest on NFS is off, so that only moonsnap itself could wait for the server
virsh -q destroy nas
lab_conf "$cut"
backup
pause=$(jq '.guests[] | select(.name == "san").pause_ms | floor' "$OUT")
check "the guest on the LUN stood still as short as ever ($pause ms)" [ "$pause" -lt 10000 ]
filer uncut
virsh -q start nas
check 'the guest on NFS counts' counts /mnt/nas1/nas.img

# the same with a guest whose own writes hang, so that its suspend does, too
lab_conf "$cut" 'PRE_APP_QUIESCE_CMD02=SERVER:/bin/sleep 3' KVM_SUSPEND_TIMEOUT=5
start=$(now_ms)
check_exit 'a suspend that hangs: page someone' 5 moon backup --policy daily
check 'in bounded time' [ $(($(now_ms) - start)) -lt 120000 ]
check_match 'with the guest and the limit' "$ERR" "kvm-00003.*guest 'nas'.*KVM_SUSPEND_TIMEOUT"
check 'the guest on the LUN runs' counts /dev/mapper/$LUN1
filer uncut
check 'the guest on NFS is resumed when its suspend comes at last' poll 90 grew /mnt/nas1/nas.img "$(counter /mnt/nas1/nas.img)"
sleep 5
check_eq 'and stays so' "$(state nas)$(paused)" running

# before discovery
lab_conf KVM_NFS_TIMEOUT=5
filer cut nfs
start=$(now_ms)
check_exit 'a server that is gone: the backup ends' 1 moon backup --policy daily
check 'soon' [ $(($(now_ms) - start)) -lt 60000 ]
check_match 'and says why' "$ERR" 'nas.img.*has not answered for 5 s'
check_eq 'nobody is paused' "$(paused)" ''
check 'the guest on the LUN runs on' counts /dev/mapper/$LUN1
filer uncut
check 'the guest on NFS goes on' counts /mnt/nas1/nas.img
check_exit 'and the next backup is whole' 0 moon backup --policy daily
finish
