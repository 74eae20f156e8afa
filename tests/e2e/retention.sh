#!/bin/bash
# Retention: exactly as many copies as the policy says, the newest ones, on each volume; and nobody else's.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1:off bravo:vol2:off

# foreign copies that look almost like ours
old=20200101000000
for name in manual demo-hourly demo-hourly_manual demo2-hourly_$old demo-hourly2_$old xdemo-hourly_$old \
  demo-hourly_${old}_unlimited; do
  zapi snapshot-create "<volume>vol1</volume><snapshot>$name</snapshot>" | grep -q 'status="passed"' || world_fail "cannot make $name"
done
foreign=$(snapshots vol1 | sort)

# two policies, most likely in one second
check_exit 'a daily backup' 0 moon backup --policy daily --json
daily=$(jq -r .snapshot "$OUT")
made=()
for i in 1 2 3 4 5; do
  POLICY=hourly backup
  made+=("$SNAP")
  want=$((i < 3 ? i : 3))
  check_eq "run $i: $want copies on vol1" "$(snapshots vol1 | grep -cE '^demo-hourly_[0-9]{14}$')" $want
  if [ $i = 1 ]; then
    run moon backupList --policy daily
    check_no_match 'the backup of the other policy is still in the catalog' "$OUT" "$daily.*not in catalog"
  fi
done
newest=$(printf '%s\n' "${made[@]:2}" | sort | paste -sd,)
for vol in vol1 vol2; do
  check_eq "$vol keeps the three newest" "$(snapshots $vol | grep -E '^demo-hourly_[0-9]{14}$' | sort | paste -sd,)" "$newest"
  check_eq "$vol keeps the copy of the other policy" "$(snapshots $vol | grep -cx "$daily")" 1
done
check_eq 'foreign copies are all there' "$(snapshots vol1 | sort | grep -vE '^demo-(hourly|daily)_[0-9]{14}$')" "$foreign"
run moon backupList --policy hourly
for name in "${made[@]:2}"; do said "backupList has $name" "$name"; done
check_no_match 'backupList does not have the first' "$OUT" "${made[0]}"

# by age: what is over the count stays while it is younger than the age
moon_conf NTAP_SNAPSHOT_RETENTION_AGE=1
POLICY=hourly backup
check_eq 'with an age of a day, a fourth young copy stays' "$(snapshots vol1 | grep -cE '^demo-hourly_[0-9]{14}$')" 4
moon_conf NTAP_SNAPSHOT_NODELETE=Y
POLICY=hourly backup
check_eq 'with NTAP_SNAPSHOT_NODELETE=Y a fifth stays' "$(snapshots vol1 | grep -cE '^demo-hourly_[0-9]{14}$')" 5
moon_conf
POLICY=hourly backup
check_eq 'without either, three are left' "$(snapshots vol1 | grep -cE '^demo-hourly_[0-9]{14}$')" 3

# a copy that cannot be deleted is not the backup's failure
sim_fault '{"match": "snapshot-delete", "action": "busy"}'
next_second
run moon backup --policy hourly
check "a busy copy: the backup itself is done (exit $CODE)" test "$CODE" = 0 -o "$CODE" = 3
said 'a busy copy: it is named' 'demo-hourly_[0-9]{14}'
sim_faults_clear

# A copy that something owns or depends on: retention leaves it unless forced, backupDel refuses it unless told to.
in_use() { # SNAPSHOT OWNERS
  sim_curl -X PUT "$SIM_URL/sim/snapshot" -d "{\"svm\": \"svm1\", \"volume\": \"vol1\", \"snapshot\": \"$1\", \"owners\": [$2]}" \
    >/dev/null
}
has() { snapshots vol1 | grep -cx "$1" || true; }
next_second
for api in zapi rest; do
  moon_conf "ONTAP_API=$api"
  POLICY=hourly backup
  oldest=$(snapshots vol1 | grep -E '^demo-hourly_[0-9]{14}$' | head -n 1)
  in_use "$oldest" '"snapmirror"'
  POLICY=hourly backup
  check_eq "$api: a copy that SnapMirror owns stays" "$(has "$oldest")" 1
  check_exit "$api: backupDel refuses it" 1 moon backupDel --backupName "$oldest" --yes
  said "$api: with its code, the owner and what to write" \
    "\[STORAGE-02015\].*$oldest on svm1:vol1 has a dependency \(.*snapmirror.*\); NTAP_SNAPSHOT_DEPENDENCY_IGNORE=Y"
  check_eq "$api: it is there" "$(has "$oldest")" 1
  if [ $api = rest ]; then in_use "$oldest" ''; fi # before 9.19 REST cannot force it, see rest.sh
  check_exit "$api: backupDel with NTAP_SNAPSHOT_DEPENDENCY_IGNORE=Y" 0 moon backupDel --backupName "$oldest" --yes \
    --params NTAP_SNAPSHOT_DEPENDENCY_IGNORE=Y
  check_eq "$api: it is gone" "$(has "$oldest")" 0
done
moon_conf ONTAP_API=zapi
oldest=$(snapshots vol1 | grep -E '^demo-hourly_[0-9]{14}$' | head -n 1)
in_use "$oldest" '"snapmirror"'
for _ in 1 2; do POLICY=hourly backup; done
check_eq 'owned, and beyond the count: it stays' "$(has "$oldest")" 1
moon_conf ONTAP_API=zapi CMODE_SNAPSHOT_FORCE_DELETE=Y
POLICY=hourly backup
check_eq 'with CMODE_SNAPSHOT_FORCE_DELETE=Y it goes' "$(has "$oldest")" 0
finish
