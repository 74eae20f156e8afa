#!/bin/bash
# KVM_QUIESCE_MODE: serial, parallel and rolling on real guests; what a controller is asked while guests stand still; what is
# refused before anything does.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/witness.sh
. "$(dirname "$(realpath "$0")")/../lib/witness.sh"
scene alpha:vol1 bravo:vol2 charlie:vol1

witness_start
once_each() { [ "$(pauses | awk '{ print $2, $3 }' | sort | paste -sd,)" = \
  'alpha Resumed,alpha Suspended,bravo Resumed,bravo Suspended,charlie Resumed,charlie Suspended' ]; }

# --- what is asked while guests stand still ---

for mode in serial parallel; do
  for api in zapi rest; do
    moon_conf KVM_QUIESCE_MODE=$mode ONTAP_API=$api
    fresh
    call=snapshot-create
    if [ $api = rest ]; then call='POST /storage/volumes/{uuid}/snapshots'; fi
    slow "$call"
    backup
    check "$mode, $api: all events come" poll 5 heard 6
    check "$mode, $api: each guest is suspended once and resumed once" once_each
    check_eq "$mode, $api: all stand still at the snapshot" "$(most)" 3
    check_eq "$mode, $api: one snapshot request for each volume, and nothing else" "$(asked_in_pause)" "2 $call"
  done
done
check_eq 'the record says how' "$(jq -r .mode "$RECORD")" parallel
for guest in alpha bravo charlie; do check "$guest: its pause is known" pause_is_sane $guest; done
check_eq 'the method of each guest is recorded' "$(jq -r '[.guests[].method] | unique | join(",")' "$RECORD")" suspend
check_eq 'the longest pause is named' "$(jq -r '.longest_pause.ms == ([.guests[].pause_ms] | max)' "$RECORD")" true
longest=$(jq -r .longest_pause.guest "$RECORD")
check_match 'the log names it, too' <(cat "$WORLD_DIR"/state/log/demo/*out* "$WORLD_DIR"/log/* 2>/dev/null; cat "$ERR") "Longest pause: [0-9.]+ ms \\($longest\\)"
check_exit 'backupList' 0 moon backupList
said 'shows the longest pause and its guest' "[0-9.]+ \\($longest\\)"
check_exit 'backupList --json' 0 moon backupList --json
check_eq 'has both' "$(jq -r '.[-1] | "\(.longest_pause_guest) \(.longest_pause_ms > 400)"' "$OUT")" "$longest true"

# --- rolling ---

moon_conf KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=1 SC_AGENT_UNQUIESCE_TIMEOUT=6
fresh
# one group takes less than the limit, also on a busy machine; both take longer
sim_fault '{"match": "snapshot-create", "action": "delay", "ms": 3500}'
backup
check 'rolling: all events come' poll 5 heard 6
check 'rolling: each guest is suspended once and resumed once' once_each
check_eq 'rolling: alpha stands still with its neighbour on vol1 only' "$(with_alpha)" charlie
check_eq 'rolling: the groups are recorded' "$(jq -r '[.guests[] | "\(.name)\(.group)"] | join(",")' "$RECORD")" alpha1,bravo2,charlie1
check 'rolling: both volumes have the snapshot' test -f "$(copy alpha)" -a -f "$(copy bravo)"
check_eq 'rolling: the time limit is that of each group' "$(jq -r .status "$RECORD")" ok
check_exit 'rolling: a guest is restored from it' 0 restore bravo --yes

moon_conf KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=2
fresh
sim_fault '{"match": "snapshot-create", "action": "hold"}'
moon backup --policy daily >"$OUT" 2>"$ERR" </dev/null &
# shellcheck disable=SC2034 # for held_ends
HELD=$!
three_stand() { [ "$(most)" = 3 ]; }
check 'two groups at a time: all stand still together' poll 10 three_stand
held_ends
check_eq 'two groups at a time: exit' "$CODE" 0
check 'two groups at a time: all events come' poll 5 heard 6
check_eq 'two groups at a time: nothing but snapshots is asked for' "$(asked_in_pause)" '2 snapshot-create'

moon_conf KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=2 'KVM_ANTI_AFFINITY=bravo,alpha'
fresh
slow snapshot-create
backup
check 'kept apart: all events come' poll 5 heard 6
check_eq 'kept apart: bravo never stands still with alpha' "$(with_alpha)" charlie

next_second
check_exit 'a dry run' 0 moon backup --policy daily --dry-run
said 'has the suspends' 'domain.suspend.*bravo'
check_eq 'and leaves the guests' "$(guest_state alpha)" running

# --- refused ---

refused() { # name, words, key=value ...
  moon_conf "${@:3}"
  check_exit "$1" 2 moon backup --policy daily
  said "$1: is said" "$2"
}
fresh
refused 'rolling with a group of all' 'KVM_QUIESCE_MODE: rolling excludes NTAP_CONSISTENCY_GROUP_SNAPSHOT \(.*kvm.conf:[0-9]+\)' \
  KVM_QUIESCE_MODE=rolling NTAP_CONSISTENCY_GROUP_SNAPSHOT=Y
refused 'rolling with a command while all stand still' 'rolling excludes POST_APP_QUIESCE_CMD01' \
  KVM_QUIESCE_MODE=rolling POST_APP_QUIESCE_CMD01=/bin/true
refused 'rolling with a command in the place of the controller' 'rolling excludes NTAP_SNAPSHOT_CREATE_CMD01' \
  KVM_QUIESCE_MODE=rolling NTAP_SNAPSHOT_CREATE_CMD01=/bin/true
refused 'kept apart, yet together' 'KVM_ANTI_AFFINITY: with KVM_QUIESCE_MODE=parallel all guests stand still together' \
  KVM_QUIESCE_MODE=parallel KVM_ANTI_AFFINITY=alpha,bravo
refused 'kept apart on one volume' "\[kvm-00018\].*guests 'alpha' and 'charlie' are connected by volume\(s\) svm1:vol1" \
  KVM_QUIESCE_MODE=rolling KVM_ANTI_AFFINITY=alpha,charlie
refused 'a mode that does not exist' "KVM_QUIESCE_MODE: 'turbo' is not an allowed value; write one of serial, parallel, rolling" \
  KVM_QUIESCE_MODE=turbo
refused 'no groups at all' "KVM_QUIESCE_GROUPS: '0' is too small" KVM_QUIESCE_MODE=rolling KVM_QUIESCE_GROUPS=0
check_eq 'no guest was touched by any of these' "$(pauses)" ''
moon_conf KVM_QUIESCE_MODE=rolling KVM_ANTI_AFFINITY=alpha,bravo
check_exit 'quiesce leaves all suspended: not those that are kept apart' 2 moon quiesce
said 'both are named' "quiesce leaves all guests suspended together, also 'alpha' and 'bravo'"
check 'all guests run' all_running alpha bravo charlie
finish
