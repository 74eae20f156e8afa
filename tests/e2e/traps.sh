#!/bin/bash
# The end of a run is passed on: SENDTRAP and SUCCESS_TRAP get the text as one argument, whatever it holds, and no shell
# sees it. The controllers' event log hears of start and end, of errors on request.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
trail=$WORLD_DIR/trail
trap_cmd=$WORLD_DIR/trap
printf '#!/bin/sh\nprintf "%%s|" "$#" "$@" >>%s\necho >>%s\n' "$trail" "$trail" >"$trap_cmd"
chmod 755 "$trap_cmd"
trail() { cat "$trail" 2>/dev/null || true; rm -f "$trail"; }
passed_on() { touch "$trail"; check_match "$1" "$trail" "$2"; rm "$trail"; } # name, regex

# shellcheck disable=SC2016 # nobody is to look into it
evil='a "b" ; touch pwned $(touch pwned) %SNAME'
moon_conf "SENDTRAP=$trap_cmd -s %MSG me@example.com </dev/null" "FAILURE_MSG=broken: %MSG" \
  "SUCCESS_TRAP=$trap_cmd %SUCCESS_MSG end" "SUCCESS_MSG=good: %SNAME-%SNAP_TYPE $evil"
check_exit 'a backup' 0 moon backup --policy daily
check_eq 'the success text is one argument' "$(trail)" "2|good: demo-daily ${evil/\%SNAME/demo}|end|"
check 'no shell has seen it' test ! -e pwned -a ! -e "$WORLD_DIR/pwned"

sim_fault '{"match": "snapshot-create", "action": "nospace"}'
next_second
check_exit 'a backup that fails' 1 moon backup --policy daily
sim_faults_clear
passed_on 'the failure text is one argument' '^3\|-s\|broken: \[STORAGE-02009\] snapshot demo-daily_.*\|me@example\.com\|$'
check_match 'FAILURE_MSG is logged' "$ERR" 'broken: .STORAGE-02009'

check_exit 'a policy that is not there' 2 moon backup --policy nightly
passed_on 'is passed on, too' 'scf-00072'

next_second
check_exit 'a listing' 0 moon backupList --policy daily
check_eq 'is not passed on' "$(trail)" ''

moon_conf "SENDTRAP=$trap_cmd %MSG" "SUCCESS_MSG=done"
check_exit 'without SUCCESS_TRAP' 0 moon backup --policy daily
check_eq 'SENDTRAP has the success text' "$(trail)" '1|done|'
moon_conf "SENDTRAP=$trap_cmd %MSG"
next_second
check_exit 'without a success text' 0 moon backup --policy daily
check_eq 'nothing is passed on' "$(trail)" ''
moon_conf "SUCCESS_TRAP=$trap_cmd %SUCCESS_MSG"
next_second
check_exit 'with the trap alone' 0 moon backup --policy daily
passed_on 'it has a text all the same' '^1\|backup of config kvm finished successfully: demo-daily_[0-9]{14}\|$'

moon_conf SUCCESS_TRAP=/bin/false SUCCESS_MSG=done
next_second
check_exit 'a trap that fails is no failure of the run' 0 moon backup --policy daily
check_match 'but a warning' "$ERR" "SUCCESS_TRAP: '/bin/false': exit code 1"
moon_conf 'SENDTRAP=/usr/bin/mailx -s %MSG me@example.com | tee x'
check_exit 'a trap that needs a shell' 2 moon backup --policy daily
check_match 'is named' "$ERR" "SENDTRAP: '\|' needs a shell"
moon_conf "SUCCESS_TRAP=$trap_cmd %SUCCESS_MSG"
next_second
check_exit 'a dry run' 0 moon backup --policy daily --dry-run
check_match 'names the trap' "$OUT" 'process.run .*trap'
check_eq 'and does not run it' "$(trail)" ''

# --- a run that does not begin ---

conf=$WORLD_DIR/etc/demo/kvm.conf
next_second
moon_conf "SENDTRAP=$trap_cmd %MSG %SNAME" "FAILURE_MSG=broken: %MSG" SNAME=nightly
printf 'this is no setting\n' >>"$conf"
check_exit 'a config with a line that is none' 2 moon backup --policy daily
passed_on 'is passed on by the SENDTRAP that can be read' "^2\|broken: .*kvm\.conf:[0-9]+: line has no '=' ?.*\|nightly\|\$"
moon_conf NTAP_SNAPSHOT_RETENTIONS=often USE_GLOBAL_CONFIG=Y
printf 'SENDTRAP=%s %%MSG %%NTAP_USERS %%MY_PASSWORD\nMY_PASSWORD=geheim1\n' "$trap_cmd" >"$WORLD_DIR/etc/global.conf"
chmod 600 "$WORLD_DIR/etc/global.conf"
check_exit 'a value that cannot be read, and the trap in the global config' 2 moon backup --policy daily
passed_on 'is passed on; no password is filled in' '^3\|.*NTAP_SNAPSHOT_RETENTIONS.*\|%NTAP_USERS\|%MY_PASSWORD\|$'
rm "$WORLD_DIR/etc/global.conf"
check_exit 'a config that is not there' 2 moon_with nosuch backup --policy daily
check_eq 'has no trap' "$(trail)" ''

moon_conf "SENDTRAP=$trap_cmd %MSG"
held
check_exit 'a config whose lock is held' 4 moon backup --policy daily
passed_on 'is passed on' '^1\|.*another run holds its lock'
held_ends
rm -f "$trail"
mkdir "$WORLD_DIR/nowhere"
: >"$WORLD_DIR/nowhere/demo"
check_exit 'a log that cannot be opened' 1 moon backup --policy daily --log-dir "$WORLD_DIR/nowhere"
passed_on 'is passed on, too' '^1\|.*nowhere/demo'

# --- the controllers' event log ---

told() { sim_requests | jq -r '[.log[] | select(.call | test("ems-autosupport-log|application-logs"))] | length'; }
for api in zapi rest; do
  for asup in N Y; do
    moon_conf "ONTAP_API=$api" "NTAP_ASUP_ERROR_ENABLE=$asup"
    next_second
    before=$(told)
    check_exit "$api, NTAP_ASUP_ERROR_ENABLE=$asup: a backup" 0 moon backup --policy daily
    check_eq "$api, $asup: start and end are told" "$(($(told) - before))" 2
    next_second
    before=$(told)
    run moon backup --policy daily --params PRE_NTAP_CMD01=SERVER:/bin/false
    check_eq "$api, $asup: a backup that fails" "$CODE" 1
    sim_faults_clear
    case $asup in N) want=1 ;; Y) want=2 ;; esac
    check_eq "$api, $asup: what is told" "$(($(told) - before))" "$want"
  done
  backup
  next_second
  before=$(told)
  check_exit "$api: a restore" 0 moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=bravo --yes
  check_eq "$api: start and end are told" "$(($(told) - before))" 2
done
moon_conf NTAP_ASUP_ERROR_ENABLE=Y
sim_fault '{"match": "snapshot-create", "action": "nospace"}'
before=$(told)
next_second
check_exit 'a restore that fails' 1 moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=bravo --yes
check_eq 'start and failure are told' "$(($(told) - before))" 2
sim_faults_clear
finish
