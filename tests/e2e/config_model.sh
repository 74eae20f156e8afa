#!/bin/bash
# What a config is made of: global configs, policies in files, volume groups, --params; and the host that it is for.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1:off
etc=$WORLD_DIR/etc

# put FILE LINE ...: a file below etc
put() { printf '%s\n' "${@:2}" >"$etc/$1" && chmod 600 "$etc/$1"; }

# --- what overrules what: LOG_NUM in five places ---

put global.conf LOG_NUM=11 NTAP_TIMEOUT=21 KVM_NFS_TIMEOUT=31
put demo/global.conf NTAP_TIMEOUT=22 KVM_NFS_TIMEOUT=32
moon_conf USE_GLOBAL_CONFIG=Y KVM_NFS_TIMEOUT=33 FAILURE_MSG= SUCCESS_MSG='%LOG_NUM %NTAP_TIMEOUT %KVM_NFS_TIMEOUT %ONTAP_RETRIES'
check_exit 'global configs' 0 moon discover --verbose
said 'super-global, profile-global, config, default' 'INFO: 11 22 33 3$'
check_exit 'and --params above all' 0 moon discover --verbose --params KVM_NFS_TIMEOUT=34
said 'has the last word' 'INFO: 11 22 34 3$'
check_exit 'without USE_GLOBAL_CONFIG' 0 moon discover --verbose --params USE_GLOBAL_CONFIG=N
said 'they are not read' 'INFO: 30 60 33 3$'
rm "$etc/global.conf" "$etc/demo/global.conf"

# --- policies in files, on both transports ---

mkdir -p "$etc/policies" "$etc/demo/policies"
put policies/daily.policy PRIMARY_COUNT=1
put demo/policies/daily.policy PRIMARY_COUNT=2 SUCCESS_MSG=nightly
put policies/keep.policy PRIMARY_COUNT=1 NTAP_SNAPSHOT_NODELETE=Y
for api in zapi rest; do
  moon_conf NTAP_SNAPSHOT_RETENTIONS= NTAP_SNAPSHOT_POLICIES=daily,keep ONTAP_API=$api SNAME=pol$api
  for _ in 1 2 3; do
    check_exit "$api: daily" 0 moon backup --policy daily --verbose
    next_second
  done
  said "$api: the policy's own parameter holds" 'INFO: nightly$'
  check_eq "$api: the profile's policy keeps two" "$(snapshots vol1 | grep -c "^pol$api-daily_")" 2
  for _ in 1 2; do
    check_exit "$api: keep" 0 moon backup --policy keep
    next_second
  done
  check_eq "$api: NODELETE of one policy is not that of another" "$(snapshots vol1 | grep -c "^pol$api-keep_")" 2
done
check_exit 'policyList' 0 moon policyList --json
check_eq 'has the counts of the files' "$(jq -r '[.[] | "\(.policy)=\(.count)"] | join(" ")' "$OUT")" 'daily=2 keep=1'
check_exit 'a policy that is not named' 2 moon backup --policy hourly
check_match 'is refused with those that are' "$ERR" "scf-00072.*'hourly' is not in NTAP_SNAPSHOT_POLICIES .*kvm.conf:[0-9]+\); known: daily, keep"
rm "$etc/policies/keep.policy"
check_exit 'a policy without its file' 2 moon backup --policy daily
check_match 'is told where to write it' "$ERR" "no policy 'keep'; write .*demo/policies/keep.policy or .*etc/policies/keep.policy"

# --- volume groups, on both transports ---

for api in zapi rest; do
  moon_conf VOLUMES= VOLUME_GROUPS=VOLUMES_02,VOLUMES_1 VOLUMES_01=svm1:vol2 VOLUMES_2=svm1:vol1 APP_AUTO_DISCOVERY=N \
    KVM_VM_MAPPING='alpha:svm1:/vol/vol1/alpha.img;' ONTAP_API=$api SNAME=grp$api
  check_exit "$api: backup of two groups" 0 moon backup --policy daily
  check_eq "$api: each volume has its copy" "$(snapshots vol1 | grep -c "^grp$api-") $(snapshots vol2 | grep -c "^grp$api-")" '1 1'
  check_exit "$api: backup of one group" 0 moon backup --policy hourly --params VOLUME_GROUPS=VOLUMES_02
  check_eq "$api: has copies of it alone" "$(snapshots vol1 | grep -c "^grp$api-hourly") $(snapshots vol2 | grep -c "^grp$api-hourly")" '1 0'
  check_exit "$api: volumeList" 0 moon volumeList
  said "$api: lists both" '^svm1 +vol2 '
done
moon_conf VOLUME_GROUPS=VOLUMES_03
check_exit 'a group that is not there' 2 moon backup --policy daily
check_match 'is named' "$ERR" 'VOLUME_GROUPS: group VOLUMES_03 is not set; write VOLUMES_03='

# --- one SNAME by way of the global configs ---

put demo/global.conf SNAME=shared
moon_conf USE_GLOBAL_CONFIG=Y
other_conf other USE_GLOBAL_CONFIG=Y
sed -i /^SNAME=/d "$etc/demo/kvm.conf" "$etc/demo/other.conf"
check_exit 'two configs with the SNAME of the global one' 2 moon backup --policy daily
check_match 'are refused' "$ERR" "demo/global.conf:1: SNAME: 'shared' is also that of .*demo/other.conf"
rm "$etc/demo/global.conf" "$etc/demo/other.conf"

# --- numbered commands ---

moon_conf 'PRE_NTAP_CMD10=SERVER:/bin/echo ten' 'PRE_NTAP_CMD2=SERVER:/bin/echo two' 'PRE_NTAP_CMD01=SERVER:/bin/echo one'
check_exit 'numbered commands' 0 moon backup --policy daily --debug
check_eq 'run by number' "$(grep -ohE 'echo (one|two|ten)\] finished' "$OUT" "$ERR" | grep -oE 'one|two|ten' | paste -sd' ')" 'one two ten'
printf 'PRE_NTAP_CMD1=SERVER:/bin/true\n' >>"$etc/demo/kvm.conf"
check_exit 'CMD1 beside CMD01' 2 moon backup --policy daily
check_match 'are one: both lines are named' "$ERR" 'kvm.conf:[0-9]+: PRE_NTAP_CMD1: already set in line [0-9]+ as PRE_NTAP_CMD01'

# --- another host ---

before=$(snapshots vol1 | wc -l)
for host in kvmhost9.invalid:9090 192.0.2.9 '[2001:db8::9]:9090'; do
  moon_conf "SC_AGENT=$host" KVM_LIBVIRT_URI=
  sed -i /^KVM_LIBVIRT_URI=/d "$etc/demo/kvm.conf"
  check_exit "SC_AGENT=$host" 2 moon backup --policy daily
  name=${host%:9090}
  check_match "$host: what to write instead" "$ERR" "scf-00066.*run moonsnap there, or write KVM_LIBVIRT_URI=qemu\+ssh://${name//[\[\].]/.}/system"
done
check_eq 'no copy was made' "$(snapshots vol1 | wc -l)" "$before"
moon_conf "SC_AGENT=$(hostname):9090"
check_exit 'the name of this host' 0 moon discover
moon_conf SC_AGENT=127.0.0.1
check_exit 'an address of this host' 0 moon discover
moon_conf SC_AGENT_TIMEOUT=300
check_exit 'a short timeout' 0 moon discover
check_match 'is warned of' "$ERR" 'SC_AGENT_TIMEOUT: 300 seconds is short for KVM; write 600 or more'
finish
