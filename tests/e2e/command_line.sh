#!/bin/bash
# What somebody who is new to it meets first: help, words that are misspelt, a config with everything wrong at once, JSON
# also of what fails. No controller and no guest is needed for any of it.
set -euo pipefail
# shellcheck source=../lib/check.sh
. "$(dirname "$(realpath "$0")")/../lib/check.sh"
requires jq
moonsnap=$(realpath "${1:-build}")/moonsnap
etc="$CHECK_DIR/my etc"
mkdir -p "$etc/site" "$etc/databases"
# shellcheck disable=SC2317 # called by check_exit
moon() { "$moonsnap" "$@" --config-dir "$etc" --state-dir "$CHECK_DIR/my state"; }
put() { printf '%s\n' "${@:2}" >"$etc/$1" && chmod 600 "$etc/$1"; }

# --- help ---

check_exit '-h' 0 "$moonsnap" -h
check_match 'is help' "$OUT" '^backup +suspend the guests'
check_exit 'restore --help' 0 "$moonsnap" restore --help
check_match 'has its options' "$OUT" '^  --backupName NAME '
check_match 'and how it is called' "$OUT" '^moonsnap restore --profile P --config C$'
check_no_match 'not those of others' "$OUT" '--safety'
for action in $("$moonsnap" actions --json | jq -r '.[] | select(.status == "supported").action'); do
  run "$moonsnap" help "$action"
  if [ "$CODE" != 0 ] || ! grep -q "^moonsnap $action\b" "$OUT"; then not_ok "help $action" "$OUT" "$ERR"; fi
done
check_eq 'help --json is a document' "$("$moonsnap" help --json | jq -r '[.actions[0].name, .options[0].option] | join(" ")')" \
  'backup --profile P, --config C'
check_eq 'version --json, too' "$("$moonsnap" version --json | jq -r '.version | type')" string
check_exit 'parameters by a word' 0 "$moonsnap" params mapping
check_match 'are listed' "$OUT" '^KVM_VM_MAPPING '
for words in help 'help backup' params actions doc; do
  CODE=0
  # shellcheck disable=SC2086
  "$moonsnap" $words >/dev/full 2>"$ERR" || CODE=$?
  check_eq "$words: output that does not arrive" "$CODE $(grep -c 'No space left' "$ERR")" '1 1'
done

# --- words ---

# A line of crontab that lost its action must not look like a backup.
check_exit 'options without an action' 2 moon --profile site --config kvm --policy daily
check_match 'are told of' "$ERR" 'no action is given: moonsnap ACTION'
check_exit 'an action in other letters' 2 moon --profile site --config kvm --action Backup --policy daily
check_match 'is put right' "$ERR" "there is no action 'Backup'; did you mean backup\?"
check_exit 'a misspelt option' 2 moon backup --profile site --config kvm --polcy daily
check_match 'is put right, too' "$ERR" 'there is no option --polcy; did you mean --policy\?'
put site/kvm.conf SNAME=demo
put databases/db2.conf LOG_NUM=1
put site/global.conf LOG_NUM=1
check_exit 'no config' 2 moon backup --profile site --policy daily
check_match 'those of the profile are named' "$ERR" 'no config is given; .*; profile site has kvm$'
check_exit 'check of a profile' 2 moon check --profile site
check_match 'its configs are named' "$ERR" 'check needs a config; .*; profile site has kvm$'
check_exit 'another config' 2 moon backup --profile site --config kvn --policy daily
check_match 'those of the profile are named, too' "$ERR" 'kvn.conf: No such file or directory; profile site has kvm$'
check_exit 'another profile' 2 moon check --profile sight --config kvm
check_match 'the profiles are named' "$ERR" 'sight/kvm.conf: No such file or directory; .*my etc has the profiles databases, site$'

# --- a config with many mistakes ---

put site/kvm.conf Sname=demo LOG_NUM=30 LOG_NUM=20 'a line of text' PORT=443
check_exit 'check: lines that cannot be read' 2 moon check --profile site --config kvm
check_eq 'each is told, in the order of the lines' "$(sed -n 's/^moonsnap: error: .*kvm.conf:\([0-9]*\): .*/\1/p' "$ERR" | paste -sd' ')" '1 3 4'
put site/kvm.conf SNAME=demo PORT=many USE_PROXY=Y NTAP_TIMEOUT=-1 NTAP_USERS=svm1:admin/53616c7465645f5f0102
check_exit 'check: values that cannot be' 2 moon check --profile site --config kvm --json
check_eq 'each is told' "$(sed -n 's/^moonsnap: error: .*kvm.conf:\([0-9]*\): .*/\1/p' "$ERR" | paste -sd' ')" '2 3 4 5'
check_eq 'in the document as well' "$(jq -r '"\(.errors | length) \(.config | endswith("site/kvm.conf"))"' "$OUT")" '4 true'
check_exit 'an action tells them all, too' 2 moon backup --profile site --config kvm --policy daily
check_eq 'each once' "$(grep -c 'error: .*kvm.conf:[2-5]: ' "$ERR")" 4
put site/kvm.conf SNAME=demo NTAP_USERS=svm1:admin/secret NTAP_SNAPSHOT_RETENTIONS=daily:7 APP_NAME=kvm SC_AGENT_TIMEOUT=600 \
  PRE_NTAP_CMD01=/no/such SENDTRAP=/no/mail POST_RESTORE_CMD02='SERVER:/bin/true | cat' FEDERATED_APPLICATIONS=databases@db2
put databases/db2.conf APP_QUIESCE_CMD01=/bin/true
check_exit 'check: what a run would stumble over' 2 moon check --profile site --config kvm --policy hourly
for what in "policy 'hourly' is not in NTAP_SNAPSHOT_RETENTIONS" "agt-00009.*PRE_NTAP_CMD01: '/no/such' is not in .*line 'command: " \
  "SENDTRAP: '/no/mail' does not exist" "POST_RESTORE_CMD02: '.' needs a shell" 'databases@db2: it has no APP_UNQUIESCE_CMD01'; do
  check_match "names $what" "$ERR" "error: .*$what"
done
check_match 'counts them' "$OUT" 'kvm.conf: 5 error\(s\), 0 warning\(s\)$'
check_exit 'check of a child' 2 moon check --profile databases --config db2
check_eq 'says what a child lacks, and nothing of guests' "$(grep -c . "$ERR") $(grep -c APP_UNQUIESCE_CMD01 "$ERR")" '1 1'
put databases/db2.conf APP_QUIESCE_CMD01=SERVER:/bin/true APP_UNQUIESCE_CMD01=SERVER:/bin/true
check_exit 'a good child' 0 moon check --profile databases --config db2
put site/kvm.conf SNAME=demo NTAP_USERS=svm1:admin/secret NTAP_SNAPSHOT_RETENTIONS=daily:7 APP_NAME=kvm SC_AGENT_TIMEOUT=600 \
  FEDERATED_APPLICATIONS=databases@db2 MANAGEMENT_INTERFACES=svm1:127.0.0.1 PORT=1
check_exit 'a good config' 0 moon check --profile site --config kvm --policy daily --json
check_eq 'its document' "$(jq -c '[.errors, .warnings]' "$OUT")" '[[],[]]'
check_exit 'an option that the action does not read' 1 moon discover --profile site --config kvm --safety --libvirt-uri test:///none
check_match 'is warned of' "$ERR" 'warning: --safety has no effect in discover'

# --- a failure is a document ---

# failed NAME CODE ERROR-CODE ARG ...
failed() {
  check_exit "--json: $1" "$2" moon "${@:4}" --json
  check_eq "--json: $1: one document" "$(jq -r '.failed.code' "$OUT")" "$3"
}
failed 'no such option' 2 invalid backup --nosuch
failed 'no such action' 2 not_found bakcup
failed 'an action that is refused' 2 unsupported mount --profile site --config kvm
failed 'no policy' 2 invalid backup --profile site --config kvm
failed 'no config' 2 not_found backup --profile site --config none --policy daily
failed 'a policy of another name' 2 invalid backup --profile site --config kvm --policy hourly
failed 'a parameter that cannot be' 2 invalid discover --profile site --config kvm --params PORT=x
failed 'no parameter' 2 not_found params NOSUCHTHING
failed 'nothing documented' 2 not_found doc qqqqqq
failed 'no plan' 2 not_found apply /no/plan.json
failed 'no script' 2 not_found run /no/script.lua
finish
