#!/bin/bash
# The failure table: guests and applications that do not stand still, do not answer, or do not come back.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/rows.sh
. "$(dirname "$(realpath "$0")")/../lib/rows.sh"
scene alpha:vol1 bravo:vol2
sick=$(cat "$WORLD_LV/run/libvirt/qemu/run/bravo.pid")
mkdir "$WORLD_DIR/etc/db"
printf 'command: /bin/%s\n' sh true sleep >"$WORLD_DIR/etc/allowed_commands.config"
fails() { run moon backup --policy daily; }

# bravo's QEMU is stopped, so that its suspend does not end; when that is said, it goes on, and is to be resumed.
hung() {
  row_conf NTAP_SNAPSHOT_CLEANUP=Y KVM_SUSPEND_TIMEOUT=2 "PRE_APP_QUIESCE_CMD01=SERVER:/bin/sh -c 'kill -STOP $sick'"
  moon backup --policy daily >"$OUT" 2>"$ERR" </dev/null &
  local pid=$!
  poll 20 grep -q "kvm-00003.*bravo" "$ERR" || true
  kill -CONT "$sick"
  ended "$pid"
}
row_quiesce_fails() { WHY="guest 'bravo'.*KVM_SUSPEND_TIMEOUT"; hung; }
row_quiesce_ignored() { WHY=''; SAYS="warning: .*\\[scf-00038\\].*guest 'bravo'"; KEEPS=2; hung; }

# app NAME COMMAND [KEY=VALUE ...]: an application of another config, quiesced by a shell's command
app() {
  row_conf NTAP_SNAPSHOT_CLEANUP=Y "FEDERATED_APPLICATIONS=db@one"
  printf '%s\n' "APP_QUIESCE_CMD01=/bin/sh -c '$1'" "APP_UNQUIESCE_CMD01=/bin/sh -c '${2:-exit 0}'" \
    "APP_IGNORE_ERROR=$ROW_IGNORE" "${@:3}" >"$WORLD_DIR/etc/db/one.conf"
  chmod 600 "$WORLD_DIR/etc/db/one.conf"
  WHY='application db@one'
  fails
}
row_quiesce_unsupported() { app 'exit 99'; }
row_quiesce_unsupported_ignored() { KEEPS=2; app 'exit 99'; }
# shellcheck disable=SC2016 # the shell's own pid
row_quiesce_no_code() { app 'kill -KILL $$'; }
row_step_times_out() { app 'exec sleep 40' 'exit 0' SC_AGENT_TIMEOUT=1; }

# libvirtd dies while the guests stand still: no resume is possible, until the guard process finds it again.
row_unquiesce_fails() {
  row_conf NTAP_SNAPSHOT_CLEANUP=N KVM_CMD_RETRY_COUNT=1 \
    "PRE_APP_UNQUIESCE_CMD01=SERVER:/bin/sh -c 'kill -KILL $WORLD_LIBVIRTD_PID; exec sleep 0.2'"
  WHY=guests
  KEEPS=2
  fails
}
row_unquiesce_fails_after() { libvirtd_start; }
row_unquiesce_ignored() { row_unquiesce_fails; }
row_unquiesce_ignored_after() {
  libvirtd_start
  check_eq 'unquiesce-ignored: the backup is recorded, and what it says of itself' \
    "$(jq -r .status "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)")" partial
}

row_watchdog_fires() {
  row_conf SC_AGENT_UNQUIESCE_TIMEOUT=4
  sim_fault '{"match": "snapshot-create", "action": "delay", "ms": 6000}'
  WHY='time limit passed'
  KEEPS=2
  fails
}

rows failure_pause
finish
