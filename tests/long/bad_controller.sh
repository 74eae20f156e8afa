#!/bin/bash
# A controller at its worst, at each kind of call that a backup makes: garbage, half answers, redirects, no answer, one
# that comes late, another certificate, and gone in the middle. Every guest runs, the message names the controller, and what
# is left behind is what gc finds. On both transports.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires openssl
scene alpha:vol1 bravo:vol2
conf() { moon_conf "ONTAP_API=$api" NTAP_SNAPSHOT_CLEANUP=Y ONTAP_RETRIES=0 "$@"; }
both() { snapshots vol1; snapshots vol2; }
strays() { comm -13 <(jq -r 'select(.status | IN("ok", "partial", "crash-consistent")) | .snapshot' \
  "$WORLD_DIR"/state/catalog/demo/kvm/*-backup.json | sort -u) <(both | sort -u); }

for api in zapi rest; do
  conf
  next_second
  backup
  if [ $api = zapi ]; then
    create=snapshot-create calls=(system-get-version volume-get-iter snapshot-get-iter snapshot-create)
  else
    create='POST /storage/volumes/{uuid}/snapshots'
    calls=('GET /cluster' 'GET /storage/volumes' 'GET /storage/volumes/{uuid}/snapshots' "$create")
  fi

  for call in "${calls[@]}"; do
    for action in garbage truncate drop redirect; do
      next_second
      sim_fault '{"match": "'"$call"'", "action": "'$action'", "location": "'"$SIM_URL"'/sim/elsewhere", "count": 20}'
      run moon backup --policy daily
      hits=$(sim_requests | jq -r '[.log[] | select(.call | startswith("/sim/elsewhere"))] | length')
      sim_faults_clear
      if [[ $CODE != [01] ]]; then not_ok "$call, $action: exit" "exit $CODE" "$ERR"; fi
      if [ "$CODE" = 1 ]; then
        check_match "$call, $action: the controller or its volume is named" "$ERR" "error:.*(svm1|vol[12])"
        check_no_match "$call, $action: no stack trace" "$ERR" 'stack traceback|attempt to'
      fi
      check "$call, $action: the guests run (exit $CODE)" all_running alpha bravo
      check_eq "$call, $action: no redirect is followed" "$hits" 0
      run moon gc --yes # where the controller did not let the run clean up
      check_eq "$call, $action: no stray is left" "$(strays)" ''
    done
  done

  next_second
  sim_fault '{"match": "*", "action": "delay", "ms": 300, "count": 200}'
  check_exit "$api: every call is slow: exit" 0 moon backup --policy daily
  sim_faults_clear
  check "$api: the guests run" all_running alpha bravo

  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=other -keyout "$WORLD_DIR/other.key" -out "$WORLD_DIR/other.pem" 2>/dev/null
  conf "ONTAP_CA_FILE=$WORLD_DIR/other.pem"
  before=$(sim_requests | jq .total)
  check_exit "$api: another authority's certificate: exit" 1 moon backup --policy daily
  said "$api: it is named with the controller" 'svm1.*certificate|certificate.*svm1'
  check_eq "$api: no call was made" "$(sim_requests | jq .total)" "$before"
  conf

  # --- gone in the middle, and back ---

  next_second
  sim_fault '{"match": "'"$create"'", "action": "hold"}'
  moon backup --policy daily >"$OUT" 2>"$ERR" </dev/null &
  run=$!
  wait_state alpha paused 15 || not_ok "$api: the backup suspends alpha" "$ERR"
  kill -KILL "$SIM_PID"
  poll 5 gone "$SIM_PID"
  check "$api: the controller is gone: the guests run again" poll 40 all_running alpha bravo
  ended "$run"
  check_eq "$api: exit" "$CODE" 1
  said "$api: the controller is named" 'svm1'
  sim_start
  conf
  check_exit "$api: it is back: gc removes what is left" 0 moon gc --yes
  check_eq "$api: no stray is left" "$(strays)" ''
  next_second
  check_exit "$api: and the next backup is made" 0 moon backup --policy daily
done
finish
