#!/bin/bash
# FEDERATED_APPLICATIONS: the applications of other configs stand still before the guests do and run again after them, in
# reverse, whatever fails; a run that dies is made good by the next one or by unquiesce.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
trail=$WORLD_DIR/trail
app=$WORLD_DIR/app
mkdir "$WORLD_DIR/codes" "$WORLD_DIR/etc/db"
# app WORD NAME: notes itself with the state of alpha, ends with the code in codes/WORD.NAME
cat >"$app" <<APP_END
#!/bin/sh
echo "\$1 \$2 \$(virsh -q -c '$MOON_TEST_URI' domstate alpha)" >>'$trail'
if [ -f '$WORLD_DIR/codes/'\$1.\$2 ]; then . '$WORLD_DIR/codes/'\$1.\$2; fi
APP_END
chmod 755 "$app"
echo "command: $app" >"$WORLD_DIR/etc/allowed_commands.config"
chmod 644 "$WORLD_DIR/etc/allowed_commands.config"
child() { printf '%s\n' "APP_QUIESCE_CMD01=$app quiesce $1" "APP_UNQUIESCE_CMD01=$app unquiesce $1" "${@:2}" \
  >"$WORLD_DIR/etc/db/$1.conf"; chmod 600 "$WORLD_DIR/etc/db/$1.conf"; }
children() { for name in one two three; do child $name "$@"; done; }
trail() { if [ -f "$trail" ]; then paste -sd, "$trail"; rm -f "$trail"; fi; }
code() { echo "$2" >"$WORLD_DIR/codes/$1"; }
no_codes() { rm -f "$WORLD_DIR"/codes/*; }
parent() { moon_conf NTAP_SNAPSHOT_CLEANUP=Y 'FEDERATED_APPLICATIONS=db@one;db@two;db@three' "$@"; }
journal=$WORLD_DIR/state/journal/demo.kvm.applications.json
all_undone='unquiesce three running,unquiesce two running,unquiesce one running'
children
parent

check_exit 'a backup' 0 moon backup --policy daily
check_eq 'children in order, then the guests; guests, then children in reverse' "$(trail)" \
  "quiesce one running,quiesce two running,quiesce three running,$all_undone"
check 'no journal is left' test ! -e "$journal"

# --- quiesce fails ---

# fails NAME CODE EXIT REGEX WANT-TRAIL
fails() {
  local before
  next_second
  before=$(snapshots vol1; snapshots vol2)
  events_start
  code quiesce.two "$2"
  check_exit "$1: exit" "$3" moon backup --policy daily
  check_match "$1: its code" "$ERR" "$4"
  check_eq "$1: what was done" "$(trail)" "$5"
  check "$1: the guests run" all_running alpha bravo
  if [ "$3" = 1 ]; then
    check_eq "$1: no guest was suspended" "$(events_of 'alpha|bravo')" ''
    check_eq "$1: no copy is left" "$(snapshots vol1; snapshots vol2)" "$before"
  else
    check_match "$1: it is complete" <(snapshots vol2) "$(jq -r .snapshot "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)")"
  fi
  check "$1: no journal is left" test ! -e "$journal"
  no_codes
}
begun='quiesce one running,quiesce two running'
whole="$begun,quiesce three running,$all_undone"
undone='unquiesce two running,unquiesce one running'
fails 'exit code 1' 'exit 1' 1 'scf-00037. application db@two' "$begun,$undone"
fails 'exit code 99, not implemented' 'exit 99' 1 'scf-00037. application db@two' "$begun,unquiesce one running"
fails 'exit code 100, no undo of its own' 'exit 100' 1 'scf-00037. application db@two' "$begun,unquiesce one running"
fails 'exit code 101, go on' 'exit 101' 3 'scf-00038. application db@two' "$whole"
# shellcheck disable=SC2016
fails 'no exit code' 'kill -KILL $$' 1 'scf-00036. application db@two' "$begun,$undone"
child two APP_IGNORE_ERROR=y
fails 'exit code 1 with APP_IGNORE_ERROR=y' 'exit 1' 3 'scf-00038. application db@two' "$whole"
fails 'exit code 99 with APP_IGNORE_ERROR=y' 'exit 99' 3 'scf-00038. application db@two' \
  "$begun,quiesce three running,unquiesce three running,unquiesce one running"
child two SC_AGENT_TIMEOUT=4
fails 'one that hangs' 'exec /bin/sleep 40' 1 'scf-00036. application db@two.*did not end in time' "$begun,$undone"
children

# --- what comes after fails ---

next_second
sim_fault '{"match": "snapshot-create", "action": "nospace"}'
check_exit 'the snapshot fails' 1 moon backup --policy daily
check_eq 'the snapshot fails: all is undone' "$(trail)" "$whole"
sim_faults_clear
check 'the snapshot fails: the guests run' all_running alpha bravo

next_second
code unquiesce.two 'exit 1'
check_exit 'unquiesce fails: exit' 5 moon backup --policy daily
check_match 'unquiesce fails: its code' "$ERR" 'scf-00032. application db@two'
check_match 'unquiesce fails: what to do' "$ERR" 'db@two.*it is left quiesced: .*run moonsnap recover'
check_no_match 'unquiesce fails: nothing of guests' "$ERR" 'resume them by hand'
check_eq 'unquiesce fails: the others are undone' "$(trail)" "$whole"
check_eq 'unquiesce fails: the journal has it' "$(jq -r '.children | join(",")' "$journal")" db@two
no_codes
next_second
check_exit 'the next run' 0 moon backup --policy daily
check_eq 'begins with it' "$(trail)" "unquiesce two running,$whole"

# A signal while that is being told does not take the place of it.
next_second
parent "SENDTRAP=$app trap told"
code unquiesce.two 'exit 1'
code trap.told "kill -TERM \$PPID; timeout 10 sh -c \"until grep -q 'signal 15' '$ERR'; do sleep 0.05; done\"; echo told >>'$trail'"
check_exit 'unquiesce fails, and a signal comes: exit' 5 moon backup --policy daily
check_match 'unquiesce fails, and a signal comes: who is called has been told' <(trail) ',trap told [a-z]+,told$'
no_codes
parent
check_exit 'unquiesce fails, and a signal comes: recover' 0 moon recover
trail >/dev/null

next_second
child two APP_IGNORE_ERROR=Y
code unquiesce.two 'exit 1'
check_exit 'unquiesce fails with APP_IGNORE_ERROR=Y: exit' 5 moon backup --policy daily
check_match 'unquiesce fails with APP_IGNORE_ERROR=Y: its code' "$ERR" 'scf-00033. application db@two'
check_match 'unquiesce fails with APP_IGNORE_ERROR=Y: the copy is good' <(snapshots vol1) "$(jq -r .snapshot "$WORLD_DIR/state/catalog/demo/kvm/$(records | tail -n 1)")"
no_codes
children
trail >/dev/null
check_exit 'unquiesce makes it good' 0 moon unquiesce
check_eq 'by its command' "$(trail)" 'unquiesce two running'

# --- the run dies in the pause ---

next_second
sim_fault '{"match": "snapshot-create", "action": "hold", "count": 1}'
"$MOONSNAP" backup "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --policy daily \
  >"$WORLD_DIR/held.out" 2>"$WORLD_DIR/held.err" </dev/null &
HELD=$!
wait_state alpha paused 15 || { not_ok 'the backup suspends alpha' "$WORLD_DIR/held.err"; finish; }
poll 15 sim_hit || not_ok 'the snapshot is asked for' "$WORLD_DIR/held.err" # every guest has been suspended
check 'killed in the pause' kill -KILL "$HELD"
held_ends
check 'the guests run again' poll 10 all_running alpha bravo
check_eq 'the children stand still' "$(trail)" 'quiesce one running,quiesce two running,quiesce three running'
check_eq 'the journal has them' "$(jq -r '.children | join(",")' "$journal")" db@one,db@two,db@three
cp -p "$journal" "$WORLD_DIR/dead.json"
dead() { cp -p "$WORLD_DIR/dead.json" "$journal"; children "$@"; no_codes; rm -f "$trail"; }
check_exit 'recover --dry-run' 0 moon recover --dry-run
check_eq 'recover --dry-run runs nothing' "$(trail)$(jq -r '.children | length' "$journal")" 3
check_match 'recover --dry-run names the commands, from the last' <(grep -o 'process.run.*' "$OUT" | paste -sd' ') \
  'app.*app.*app'
check_exit 'recover undoes it' 0 moon recover
check_eq 'recover: from the last to the first' "$(trail)" "$all_undone"
check_match 'recover: says how many' "$OUT" '3 application\(s\) unquiesced'
check 'recover: no journal is left' test ! -e "$journal"
check_exit 'recover once more' 0 moon recover
check_eq 'recover once more finds nothing' "$(trail)" ''

dead
code unquiesce.two 'exit 1'
check_exit 'recover: one cannot be undone' 5 moon recover
check_match 'recover: one cannot be undone: its code' "$ERR" 'scf-00032. application db@two'
check_eq 'recover: the others are' "$(trail)$(jq -r '.children | join(",")' "$journal")" "${all_undone}db@two"
no_codes
check_exit 'recover: then that one' 0 moon recover
check_eq 'recover: and no other again' "$(trail)" 'unquiesce two running'

dead SC_AGENT_TIMEOUT=4
code unquiesce.two 'exec /bin/sleep 40'
check_exit 'recover: one hangs' 5 moon recover
check_match 'recover: one hangs: it is ended in its time' "$ERR" 'application db@two.*did not end in time'
check_eq 'recover: one hangs: the others are undone' "$(trail)" "$all_undone"

dead
rm "$WORLD_DIR/etc/db/two.conf"
check_exit 'recover: a config is gone' 0 moon recover
check_match 'recover: a config is gone: it says so' "$ERR" 'db@two: .*its commands are those that the run noted'
check_eq 'recover: a config is gone: the noted command is run' "$(trail)" "$all_undone"

dead
sed -i 's/unquiesce two/unquiesce zwei/' "$WORLD_DIR/etc/db/two.conf"
check_exit 'recover: a config has changed' 0 moon recover
check_match 'recover: a config has changed: it says so' "$ERR" 'two\.conf has other APP_UNQUIESCE_CMD## than when it was quiesced'
check_eq 'recover: a config has changed: that of today is run' "$(trail)" "${all_undone/unquiesce two/unquiesce zwei}"

dead
rm "$WORLD_DIR/etc/db/two.conf"
mv "$WORLD_DIR/etc/allowed_commands.config" "$WORLD_DIR/allowed"
check_exit 'recover: not on the list any more' 5 moon recover
check_match 'recover: not on the list any more: its code' "$ERR" 'agt-00009.*two\.conf:2: APP_UNQUIESCE_CMD01'
check_eq 'recover: not on the list any more: nothing is run' "$(trail)$(jq -r '.children | length' "$journal")" 3
mv "$WORLD_DIR/allowed" "$WORLD_DIR/etc/allowed_commands.config"

dead
chmod 666 "$journal"
check_exit 'recover: others may have written the journal' 5 moon recover
check_match 'recover: others may have written it: named' "$ERR" 'applications\.json: it belongs to uid .* its commands are not run'
check_eq 'recover: others may have written it: nothing is run' "$(trail)" ''
echo '{' >"$journal"
chmod 600 "$journal"
check_exit 'recover: not a journal' 5 moon recover
check_match 'recover: not a journal: named' "$ERR" 'applications\.json: not a journal; look at it'
jq -c '.undo |= [null] + .' "$WORLD_DIR/dead.json" >"$journal"
check_exit 'recover: a journal with null in its list' 5 moon recover
check_eq 'recover: a journal with null in its list: nothing is run, nothing is forgotten' \
  "$(trail)$(jq -c '.undo | length' "$journal")" 4
dead
check_exit 'recover: another config directory' 5 "$MOONSNAP" recover --config-dir "$WORLD_DIR" --state-dir "$WORLD_DIR/state"
check_match 'recover: another config directory: what to do' "$ERR" "run moonsnap recover --config-dir $WORLD_DIR/etc"
check_eq 'recover: another config directory: nothing is run' "$(trail)" ''

# A secret in a command is not written down; without the config there is no such command then.
dead
next_second
check_exit 'the next run makes it good' 0 moon backup --policy daily
check_eq 'before all else' "$(trail)" "$all_undone,$whole"
echo 'open-sesame' >"$WORLD_DIR/token"
chmod 600 "$WORLD_DIR/token"
sed -i 's/quiesce two$/quiesce two %DB_PWD/' "$WORLD_DIR/etc/db/two.conf"
echo "DB_PWD=file:$WORLD_DIR/token" >>"$WORLD_DIR/etc/db/two.conf"
next_second
code unquiesce.two 'exit 1'
check_exit 'a secret in a command' 5 moon backup --policy daily
check_no_match 'a secret in a command is not in the journal' "$journal" 'sesame'
rm "$WORLD_DIR/etc/db/two.conf"
no_codes
trail >/dev/null
check_exit 'without the config it cannot be run' 5 moon recover
check_match 'without the config it is named' "$ERR" 'db@two.*has a secret of the config in it.*bring the config back'
rm "$journal"
children

# A run that lives is left alone.
next_second
held
wait_state alpha paused 15 || not_ok 'a run that lives suspends alpha'
trail >/dev/null
check_exit 'recover beside a run that lives' 0 moon recover
check_eq 'recover beside a run that lives undoes nothing' "$(trail)" ''
held_ends
check_eq 'the run that lives ends well' "$CODE" 0
trail >/dev/null

# --- configs that are wrong ---

wrong() { # name, regex, exit
  events_start
  check_exit "$1" "${3:-2}" moon backup --policy daily
  check_match "$1: named" "$ERR" "$2"
  check_eq "$1: nothing was run" "$(trail)" ''
  check_eq "$1: no guest was touched" "$(events_of 'alpha|bravo')" ''
}
parent 'FEDERATED_APPLICATIONS=db@none'
wrong 'a child that is not there' 'FEDERATED_APPLICATIONS: db@none: .*none\.conf'
parent 'FEDERATED_APPLICATIONS=demo@kvm'
wrong 'the config itself' "'demo@kvm' is this config itself"
parent 'FEDERATED_APPLICATIONS=db'
wrong 'no profile' "'db' is not profile@config"
parent
child three APP_NAME=oracle
wrong 'a plug-in that does not exist' 'agt-00012. .*three\.conf:3: APP_NAME'
child three SC_AGENT=db1.example.com:9090
wrong 'an agent' 'three\.conf:3: SC_AGENT: there is no agent'
echo "APP_QUIESCE_CMD01=$app" >"$WORLD_DIR/etc/db/three.conf"
wrong 'no way back' 'db@three: it has no APP_UNQUIESCE_CMD01'
child three APP_QUIESCE_CMD02=/bin/true
wrong 'a command that is not allowed' "agt-00009. .*three\.conf:3: APP_QUIESCE_CMD02" 1

children
next_second
check_exit 'a dry run' 0 moon backup --policy daily --dry-run
check_eq 'runs nothing' "$(trail)" ''
check_match 'and names it' "$OUT" 'process.run .*app'
finish
