#!/bin/bash
# A restore that is ended by SIGTERM or SIGKILL at sampled instants, of a guest with two disks: it runs only with disks that
# belong together, and a mix is said to be one, by the run itself or by the next start.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/two_disks.sh
. "$(dirname "$(realpath "$0")")/../lib/two_disks.sh"
two_disks
moon_conf KVM_BACKUP_DATA_DISKS=Y
run_restore() {
  "$MOONSNAP" restore "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
    --backupName "$good" --params KVM_RESTORE_VM_LIST=alpha --yes >"$OUT" 2>"$ERR" </dev/null &
  RUN=$!
}
ends() { ended "$RUN"; }
told() { moon recover >"$WORLD_DIR/said" 2>&1 || true; grep -q 'do not start it' "$WORLD_DIR/said"; }

spoil_both
next_second
sim_fault '{"match": "*", "action": "delay", "ms": 30, "count": 100000}'
from=$(now_ms)
run_restore
ends
check_eq 'a whole restore: exit' "$CODE" 0
whole=$(($(now_ms) - from)) samples=8 bad=0
declare -A seen=()
for ((i = 0; i < samples; i++)); do
  spoil_both
  next_second
  wait=$((whole * i / samples)) signal=$([ $((i % 2)) = 0 ] && echo TERM || echo KILL)
  run_restore
  sleep "$(printf '%d.%03d' $((wait / 1000)) $((wait % 1000)))"
  kill -"$signal" "$RUN" 2>/dev/null || true
  ends
  poll 10 settled_down || true
  disks=$(which_are) state=$(guest_state alpha)
  seen[$disks]=1
  case "$disks, $state" in
    'old old, running' | 'backup backup, running') ;; # as before, or done
    *running) not_ok "$signal after $wait ms: it runs with disks of two times" "$disks" "$ERR"; bad=1 ;;
    *)
      # Whoever is off after SIGTERM was said to be; after SIGKILL the next start says it.
      if [ "$signal" = TERM ] && [ "$CODE" != 5 ]; then
        not_ok "$signal after $wait ms: exit of a guest that stays off" "exit $CODE, $disks" "$ERR"; bad=1
      fi
      if [ "$disks" = 'backup old' ] && ! told; then
        not_ok "$signal after $wait ms: recover names the mix" "$disks" "$WORLD_DIR/said"; bad=1
      fi
      ;;
  esac
  if [ "$signal" = TERM ] && [[ $CODE != 0 && $CODE != 143 && $CODE != 5 ]]; then
    not_ok "$signal after $wait ms: exit" "exit $CODE" "$ERR"; bad=1
  fi
done
if [ $bad = 0 ]; then ok "SIGTERM and SIGKILL at $samples instants of $whole ms; disks seen: ${!seen[*]}"; fi
spoil_both
next_second
run_restore
ends
check_eq 'the restore that is left alone: exit' "$CODE" 0
check_eq 'brings both disks back' "$(which_are)" 'backup backup'
check_exit 'and nobody is in doubt' 0 moon recover
finish
