#!/bin/bash
# A config of Snap Creator moves over: copied, checked, its passwords sealed, run in Snap Creator's form. Its old copies
# count.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1
conf=$WORLD_DIR/etc/kvm_site/kvm1.conf
mkdir "$WORLD_DIR/etc/kvm_site"
moon_site() {
  timeout 60 "$MOONSNAP" "$@" --profile kvm_site --config kvm1 --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
}

# Where this world's controller and libvirt are is all that is changed; lines end as on Windows.
sed "s|^PORT=.*|PORT=$SIM_PORT|; s|s_c1-mgmt|127.0.0.1|; s|s_c1|svm1|g" "$(dirname "$(realpath "$0")")/../data/params/snapcreator.conf" >"$conf"
cat >>"$conf" <<CONF
ONTAP_CA_FILE=$SIM_CA
KVM_MOUNTINFO=$WORLD_DIR/mountinfo
KVM_VMS=alpha
CONF
sed -i 's/$/\r/' "$conf"
chmod 600 "$conf"
cp "$conf" "$WORLD_DIR/before"

check_exit 'check of the file as it is' 2 moon_site check
check_match 'the password must be sealed' "$ERR" "kvm1.conf:11: NTAP_USERS: .*Snap Creator's server encrypted.*run moonsnap seal"
sealed=$(printf 'secret\n' | timeout 20 "$MOONSNAP" seal --quiet --state-dir "$WORLD_DIR/state")
sed -i "s|/53616c[0-9a-f]*|/$sealed|" "$conf"
check_exit 'check with the password sealed' 2 moon_site check
check_match 'the agent is another host' "$ERR" 'scf-00066.*kvm1.conf:[0-9]+: SC_AGENT: kvmhost9.invalid is another host.*KVM_LIBVIRT_URI=qemu\+ssh://kvmhost9.invalid/system'
check_eq 'which is all' "$(grep -c error: "$ERR")" 1
sed -i "s|^SC_AGENT=.*|SC_AGENT=$(hostname):9090\r|" "$conf"
printf 'KVM_LIBVIRT_URI=%s\r\n' "$MOON_TEST_URI" >>"$conf"
check_exit 'check with both changed' 0 moon_site check
check_eq 'what is ignored is said, and nothing else' "$(sed -n 's/.*kvm1.conf:[0-9]*: \([A-Z_]*\) is ignored.*/\1/p' "$ERR" | paste -sd' ')" ALLOW_IP_ADDR
check_eq 'one line was changed for each of the two' "$(diff "$WORLD_DIR/before" "$conf" | grep -c '^<')" 2

# Snap Creator's copies: three of daily, one of a policy of its own name beside another SNAME.
for name in kvm_host1-daily_20240101000000 kvm_host1-daily_20240102000000 kvm_host1-daily_20240103000000 kvm_host10-daily_20240101000000; do
  zapi snapshot-create "<volume>vol1</volume><snapshot>$name</snapshot>" >/dev/null
done
for api in zapi rest; do
  sed -i '/^ONTAP_API=/d' "$conf"
  printf 'ONTAP_API=%s\r\n' $api >>"$conf"
  check_exit "$api: backup in Snap Creator's form" 0 moon_site --server localhost --port 8443 --user admin --passwd x --action backup \
    --policy daily --verbose
  check_match "$api: its last line" "$OUT" 'NetApp Snap Creator Framework finished successfully "\(Action: backup\) \(Config: kvm1\)"'
  check_match "$api: the hook and its variables" <(cat "$WORLD_DIR/state/log/kvm_site/"kvm1.debug.*.log) '\[/bin/echo kvm_host1-daily_20[0-9]{12}\] finished with exit code: \[0\]'
  check_match "$api: the closing message" "$OUT" 'INFO: kvm_host1 of backup is done'
  check "$api: the guest runs" all_running alpha
  next_second
done
check_eq 'two copies of the policy are left' "$(snapshots vol1 | grep -c '^kvm_host1-daily_')" 2
check_eq "Snap Creator's three are gone" "$(snapshots vol1 | grep -c '^kvm_host1-daily_2024')" 0
check_eq 'that of another SNAME stays' "$(snapshots vol1 | grep -c '^kvm_host10-')" 1
check_match 'discovery wrote the mapping, in a line of the same kind' "$conf" $'^KVM_VM_MAPPING=alpha:svm1:/vol/vol1/alpha.img;\r$'
check_eq 'and kept the mode' "$(stat -c %a "$conf")" 600
zapi snapshot-create '<volume>vol1</volume><snapshot>kvm_host1-hourly_20240104000000</snapshot>' >/dev/null
check_exit 'backupList' 0 moon_site backupList
said "lists a copy of Snap Creator's, and what it is not" '^kvm_host1-hourly_20240104000000 .*not in catalog'
check_exit 'backupDel' 0 moon_site backupDel --policy hourly --backupName kvm_host1-hourly_20240104000000 --yes
check_eq 'deletes it' "$(snapshots vol1 | grep -c hourly)" 0
finish
