#!/bin/bash
# A plan of --dry-run --json is carried out as it stands, or not at all: on both transports, and for each way in which the
# world or the file may have changed since.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
scene alpha:vol1 bravo:vol2
PLAN=$WORLD_DIR/plan.json

make_plan() { next_second; "$@" --dry-run --json >"$PLAN" 2>"$WORLD_DIR/plan.err" || world_fail "no plan: $(cat "$WORLD_DIR/plan.err")"; }
plan() { make_plan moon "$@"; }                                         # action and options
script_plan() { make_plan "$MOONSNAP" run "$WORLD_DIR/plain.lua" "$@"; } # its arguments
apply() { timeout 60 "$MOONSNAP" apply "$PLAN" "$@"; }
# edit JQ: the plan changed by somebody who knows how to make it fit
edit() {
  local part digests=''
  jq "$1" "$PLAN" >"$PLAN.new"
  for part in run steps facts plan; do
    digests+=".digests.$part = \"$(jq -cSj ".$part // []" "$PLAN.new" | sha256sum | cut -c 1-64)\" | "
  done
  jq "$digests ." "$PLAN.new" >"$PLAN"
}
# refused NAME CODE REGEX: apply says so, and changes nothing
refused() {
  local before
  before=$(sim_changes)
  check_exit "$1: refused" "$2" apply
  said "$1: why" "$3"
  check_eq "$1: nothing was changed" "$(sim_changes)" "$before"
}

for api in zapi rest; do
  moon_conf ONTAP_API=$api NTAP_SNAPSHOT_CLEANUP=Y
  moon discover >/dev/null # the mapping is in the config, and a plan need not write it there
  plan backup --policy daily
  check_no_match "$api: no password in a plan" "$PLAN" 'secret'
  named=$(jq -r '[.steps[] | select(.op == "ontap.snapshot_create")][0].args.name' "$PLAN")
  next_second
  check_exit "$api: the plan of a backup is carried out" 0 apply --json
  SNAP=$(jq -r .snapshot "$OUT")
  check_eq "$api: on both volumes" "$(snapshots vol1 | grep -c "^$SNAP$") $(snapshots vol2 | grep -c "^$SNAP$")" '1 1'
  check "$api: the snapshot has the time at which it was taken" test "$SNAP" \> "$named"
  check "$api: all guests run" all_running alpha bravo
  next_second
  refused "$api: twice" 1 "snapshots of svm1:vol1: '$SNAP .*' is not in the plan"

  plan restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha
  spoil "${IMG[alpha]}" 1
  check_exit "$api: a restore wants its answer all the same" 2 apply
  said "$api: the question" '\-\-yes'
  check_exit "$api: the plan of a restore is carried out" 0 apply --yes
  check_eq "$api: alpha's disk is the snapshot's" "$(still "${IMG[alpha]}")" "$(still "$(copy alpha)")"

  # A failure of the controller is not the plan's: what is left is cleaned up as in any run.
  plan backup --policy daily
  before=$(snapshots vol1; snapshots vol2)
  call=$([ $api = zapi ] && echo snapshot-create || echo 'POST /storage/volumes/*/snapshots')
  sim_fault '{"match":"'"$call"'","nth":2,"action":"error"}'
  check_exit "$api: a snapshot fails on the way" 1 apply
  sim_faults_clear
  check "$api: all guests run after it" all_running alpha bravo
  check_eq "$api: no snapshot is left" "$(snapshots vol1; snapshots vol2)" "$before"
done

plan quiesce
check_exit 'the plan of quiesce is carried out' 0 apply
check_eq 'the guests stand still' "$(guest_state alpha) $(guest_state bravo)" 'paused paused'
plan unquiesce
check_exit 'the plan of unquiesce is carried out' 0 apply
check 'the guests run' all_running alpha bravo

# --- a failure that no call of the plan has told of: what the script then undoes is done, as in any run ---

export HOME=$WORLD_DIR/local
cat >"$WORLD_DIR/site.lua" <<'LUA'
local process, task = require "std.process", require "std.task"
local home = os.getenv "HOME"
return require("std.workflow").extend("backup", {
  quiesce = function(ctx, next)
    local _undo <close> = setmetatable({}, { __close = function(_, failed)
      if failed then process.run { "/bin/touch", home .. "/undone" } end
    end })
    assert(process.run { "/bin/touch", home .. "/begun" })
    if ctx.dry_run then return next() end
    if os.getenv "SITE_END" == "interrupt" then task.sleep(30) end
    ctx.controllers.svm1.client:mirror_change("svm1:vol1", "abort")
    error("a transfer is given up")
  end,
})
LUA
plan backup --policy daily --script "$WORLD_DIR/site.lua"
check_exit 'something is given up' 1 apply
check 'given up: what was begun is undone' test -e "$HOME/begun" -a -e "$HOME/undone"
rm "$HOME/begun" "$HOME/undone"
plan backup --policy daily --script "$WORLD_DIR/site.lua"
SITE_END=interrupt timeout 60 "$MOONSNAP" apply "$PLAN" >"$OUT" 2>"$ERR" &
pid=$!
poll 30 test -e "$HOME/begun" || not_ok 'interrupted: it begins' "$ERR"
kill -TERM "$(pgrep -P $pid -x moonsnap)"
CODE=0
wait $pid || CODE=$?
check_eq 'interrupted: exit code' $CODE 143
check 'interrupted: what was begun is undone' test -e "$HOME/undone"
check 'the guests run' all_running alpha

# --- the world is another one ---

plan backup --policy daily
echo 'KVM_MAX_SUSPENDED=1' >>"$WORLD_DIR/etc/demo/kvm.conf"
refused 'a parameter more' 1 'kvm\.conf:[0-9]+: KVM_MAX_SUSPENDED was not set'
sed -i 's/^KVM_MAX_SUSPENDED=1/KVM_MAX_SUSPENDED=2/' "$WORLD_DIR/etc/demo/kvm.conf"
plan backup --policy daily
sed -i 's/^KVM_MAX_SUSPENDED=2/KVM_MAX_SUSPENDED=3/' "$WORLD_DIR/etc/demo/kvm.conf"
refused 'another value' 1 'kvm\.conf:[0-9]+: KVM_MAX_SUSPENDED has another value'
sed -i '/^KVM_MAX_SUSPENDED/d' "$WORLD_DIR/etc/demo/kvm.conf"

plan backup --policy daily
guest_stop bravo
refused 'a guest was stopped' 1 "state of guest 'bravo': 'running' in the plan, 'shutoff' now"

plan backup --policy daily
cp "${IMG[bravo]}" "${IMG[bravo]%.img}2.img"
own "${IMG[bravo]%.img}2.img"
vsh dumpxml bravo --inactive | sed 's/bravo\.img/bravo2.img/' >"$WORLD_DIR/moved.xml"
vsh define "$WORLD_DIR/moved.xml" >/dev/null
refused 'a disk was moved' 1 "disks of guest 'bravo'.*bravo2\.img' is not in the plan"
sed -i 's/bravo2\.img/bravo.img/' "$WORLD_DIR/moved.xml"
vsh define "$WORLD_DIR/moved.xml" >/dev/null

plan backup --policy daily
vsh domrename bravo bravo3 >/dev/null
refused 'a guest was renamed' 2 "'bravo'"
vsh domrename bravo3 bravo >/dev/null

cat >"$WORLD_DIR/site.lua" <<'LUA'
local process = require "std.process"
return require("std.workflow").extend("backup", {
  quiesce = function(ctx, next)
    local ok, failed = next()
    if not ok then return nil, failed end
    -- The worst of scripts: its dry run says something else, and it finds out while guests stand still.
    return process.run { ctx.dry_run and "/bin/true" or "/bin/touch", os.getenv("HOME") .. "/touched" }
  end,
})
LUA
plan backup --policy daily --script "$WORLD_DIR/site.lua"
before=$(snapshots vol1; snapshots vol2)
check_exit 'a step that is not in the plan' 1 apply --quiet
said 'what the plan has and what came' "kvm-00019.*step [0-9]+: the plan has 'process\.run /bin/true .*there, not 'process\.run /bin/touch"
check 'it was not carried out' test ! -e "$HOME/touched"
check 'the guest runs again' all_running alpha
check_eq 'no snapshot was taken' "$(snapshots vol1; snapshots vol2)" "$before"
sed -i '1i require("std.process").run { "/bin/touch", os.getenv("HOME") .. "/loaded" }' "$WORLD_DIR/site.lua"
plan backup --policy daily --script "$WORLD_DIR/site.lua"
refused 'a change when the script is loaded' 1 'process\.run /bin/touch comes before the first phase'
run_plan() { make_plan "$MOONSNAP" run "$WORLD_DIR/site.lua" "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" "$@"; }
run_plan --policy daily
refused 'by run, too' 1 'process\.run /bin/touch comes before the first phase'
check 'it was not carried out either' test ! -e "$HOME/loaded"
cat >"$WORLD_DIR/site.lua" <<'LUA'
if not require("engine.plan").active() then return 0 end
return require("std.workflow").extend("backup", {})
LUA
run_plan --policy daily
check_exit 'a script that is a workflow in a dry run only' 3 apply
said 'it says what was not done' '[0-9]+ step\(s\) of the plan were not carried out'
plan backup --policy daily --script "$WORLD_DIR/site.lua"
echo '-- changed' >>"$WORLD_DIR/site.lua"
refused 'the script was changed' 1 'site\.lua: the script is another one'

# --- a plain script: its dry run sees no snapshot where the real run sees its own, which is where it goes another way ---

cat >"$WORLD_DIR/plain.lua" <<LUA
local ontap, naming, process, virt = require "engine.ontap", require "std.naming", require "std.process", require "engine.virt"
local dir = "$HOME"
local which = ...
local client <const> = assert(ontap.new { name = "svm1", host = "127.0.0.1", port = $SIM_PORT, user = "vsadmin", password = "secret",
  svm = "svm1", ca_file = "$SIM_CA" })
print("these are my arguments:", ...)
assert(client:snapshots("vol1"))
if which == "fails" then error("not today") end
if which == "deaf" then -- a plan does not tell the arguments of this one
  local conn = assert(virt.open("$MOON_TEST_URI"))
  assert(conn:define(assert(conn:domain(assert(conn:list())[1]):xml { inactive = true })))
end
local name = "plain_" .. naming.stamp()
local made = client:snapshot_create("vol1", name)
local _undo <close> = setmetatable({}, { __close = function(_, failed)
  if failed then
    assert(client:snapshot_delete("vol1", name))
    assert(process.run { "/bin/touch", dir .. "/undone" })
  end
end })
local there = #assert(client:snapshots("vol1", { name = name })) > 0
local ok, failed = process.run { "/bin/touch", dir .. (there and which ~= "right" and "/elsewhere" or "/there") }
if which == "deaf" then
  local _close <close> = setmetatable({}, { __close = function() process.run { "/bin/touch", dir .. "/closed" } end })
  process.run { "/bin/touch", dir .. "/deaf" }
  client:snapshot_delete("vol1", name)
  return 0
end
assert(ok, failed)
LUA
script_plan right two
check 'a plan of a script that prints is one document' jq -e '.run.plain and (.steps | length == 2)' "$PLAN"
check_match 'what it prints is said elsewhere' "$WORLD_DIR/plan.err" '^these are my arguments:.right.two$'
check_no_match 'no password in it' "$PLAN" 'secret'
check_exit 'an answer that the script does not know' 2 apply --yes
said 'why' 'gets no others'
check_exit 'the plan of a script is carried out' 0 apply
check_eq 'with its arguments, and no others' "$(cat "$OUT")" $'these are my arguments:\tright\ttwo'
check_eq 'with the names of now' "$(snapshots vol1 | grep -c '^plain_')" 1
check 'to its end' test -e "$HOME/there"
refused 'a script twice' 1 "snapshots of svm1:vol1: 'plain_.*' is not in the plan"

script_plan right
jq '.run.args[2] = "half"' "$PLAN" >"$PLAN.new" && mv "$PLAN.new" "$PLAN"
refused 'other arguments' 2 "plan\.json: 'run' was changed"
script_plan right
edit '.run.args[2] = "half" | .steps[1].args.argv[1] = "/somewhere"'
refused 'other arguments, made to fit' 1 'step 2: the plan has .*/somewhere.* there, not .*/there'

before=$(snapshots vol1)
script_plan half
check_exit 'a script that goes another way' 1 apply
said 'its line' 'plain\.lua:22'
said 'what came' "kvm-00019.*step 2: the plan has 'process\.run /bin/touch .*/there.* there, not 'process\.run /bin/touch .*/elsewhere"
check_eq 'what it had done it has undone' "$(snapshots vol1) $(ls "$HOME/undone")" "$before $HOME/undone"
check 'and nothing else was done' test ! -e "$HOME/elsewhere"
script_plan deaf
check_exit 'a script that looks at no error' 1 apply
said 'is told' 'process\.run /bin/touch comes after that refusal, and is not carried out either'
check_no_match 'by its name, and nothing fell over' "$ERR" 'attempt to'
check 'nothing of what came then was done' test ! -e "$HOME/elsewhere" -a ! -e "$HOME/deaf"
check_eq 'but for what took back its own, and what it closed' "$(snapshots vol1) $(ls "$HOME/closed")" "$before $HOME/closed"
run "$MOONSNAP" run "$WORLD_DIR/plain.lua" fails --dry-run --json
cp "$OUT" "$PLAN"
check_eq 'a dry run that fails' "$CODE $(jq -c '[.dry_run, .run]' "$OUT")" '1 [true,null]'
refused 'its document' 2 'plan\.json: is no plan'
script_plan right
echo '-- changed' >>"$WORLD_DIR/plain.lua"
refused 'a script that was changed' 1 'plain\.lua: the script is another one'

# --- the file is not to be trusted ---

plan backup --policy daily
cp "$PLAN" "$WORLD_DIR/good.json"
jq '.steps = []' "$WORLD_DIR/good.json" >"$PLAN"
refused 'edited by hand' 2 "plan\.json: 'steps' was changed"
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.made -= 90000'
refused 'an old one' 2 'plan\.json: it was made on .*holds for 24 hours'
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.host = "elsewhere"'
refused 'of another host' 2 "plan\.json: it was made on host 'elsewhere'"
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.directory = "/nowhere"'
refused 'of another directory' 2 'plan\.json: it was made in /nowhere'
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.user += 1'
refused 'of another user' 2 'plan\.json: it was made by user [0-9]+, this is user [0-9]+'
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.made += 4000'
refused 'of tomorrow' 2 'plan\.json: it was made on .*holds for 24 hours'
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.format += 1'
refused 'of another format' 2 'plan\.json: its format is 2, this moonsnap reads 1'
cp "$WORLD_DIR/good.json" "$PLAN"
edit 'del(.steps[] | select(.op == "domain.suspend"))'
refused 'a step less, made to fit' 1 "step [0-9]+: the plan has 'ontap\.snapshot_create .*not 'domain\.suspend"
cp "$WORLD_DIR/good.json" "$PLAN"
edit '.run.made = 99999999999999999'
refused 'of another shape, made to fit' 2 "plan\.json: 'run\.made' is not as moonsnap writes it"
echo null >"$PLAN"
refused 'of nothing' 2 'plan\.json: is no plan'
cp "$WORLD_DIR/good.json" "$PLAN"
for who in o g; do
  chmod $who+w "$PLAN"
  refused "others may write it ($who)" 2 'plan\.json: others than its owner may write it'
  chmod $who-w "$PLAN"
done
if [ "$(id -u)" = 0 ]; then # nobody else can give a file away
  chown 7 "$PLAN"
  refused 'it belongs to somebody else' 2 'plan\.json: it belongs to user 7'
  check_exit 'to who called sudo' 0 env SUDO_UID=7 "$MOONSNAP" apply --dry-run "$PLAN"
  chown 0 "$PLAN"
fi
printf '{"run":\n' >"$PLAN"
refused 'half a file' 2 'plan\.json: .*line 2'
echo '{"steps":[]}' >"$PLAN"
refused 'no plan' 2 'plan\.json: is no plan'
plan backup --policy daily --params NTAP_USERS=svm1:vsadmin/secret
check_no_match 'no password in a plan, from the command line neither' "$PLAN" 'secret'
refused 'a password on the command line' 2 'plan\.json: its command has a password'
plan backup --policy daily --user joe --passwd hunter2
check_no_match 'nor that of a server which is not there' "$PLAN" 'hunter2'
refused 'such a command' 2 'plan\.json: its command has a password.*leave --passwd out'
rm "$PLAN"
refused 'no file' 2 'plan\.json'
finish
