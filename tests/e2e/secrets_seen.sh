#!/bin/bash
# No secret where others look while a run lasts: in the arguments and the environment of the engine, its guard process and
# the site's commands, in the state directory in the middle of a pause, in traces of what goes wrong; and no core dump.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires openssl tar base64 prlimit
ulimit -S -c "$(ulimit -H -c)" # so that a limit of 0 is moonsnap's own
scene alpha:vol1
seen=$WORLD_DIR/seen said=$WORLD_DIR/said
controller=Xq7controllerSecret cluster=Xq7clusterSecret manager=Xq7managerSecret site=Xq7siteSecret own=Xq7ownSecret
wrong=Xq7wrongSecret
sim_stop
sim_config "$WORLD_DIR/sim.json" ".users[0].password = \"$cluster\" | .users[1].password = \"$controller\""
sim_start
mkdir "$seen" "$said"
chmod 777 "$seen" # commands of an ordinary user's run write there, too

# look NAME: what can be seen of itself, the engine and the engine's other children, and the state directory as it is now
look=$WORLD_DIR/look
cat >"$look" <<'LOOK'
#!/bin/sh
# usage: look DIR NAME STATE-DIR
cd "$1" || exit 1
for pid in $PPID $(cat /proc/$PPID/task/*/children); do
  name=$2.$(tr '\0' '\n' </proc/$pid/cmdline | head -n 1 | sed 's|.*/||')
  if [ $pid = $$ ]; then name=$2.command; fi
  tr '\0' '\n' </proc/$pid/cmdline >"$name.cmdline"
  cat /proc/$pid/environ >"$name.environ" 2>/dev/null || echo denied >"$name.denied"
  cat /proc/$pid/limits >"$name.limits"
done
env >"$2.env"
cp -r "$3" "$2.state"
LOOK
chmod 755 "$look"

seal() { printf '%s\n' "$1" | timeout 20 "$MOONSNAP" seal --state-dir "$WORLD_DIR/state" 2>/dev/null; }
mkdir "$WORLD_DIR/credentials"
for name in controller cluster manager site own; do
  printf '%s\n' "${!name}" >"$WORLD_DIR/$name.pw"
  printf '%s\n' "${!name}" >"$WORLD_DIR/credentials/$name"
done
chmod 600 "$WORLD_DIR"/*.pw
export CREDENTIALS_DIRECTORY=$WORLD_DIR/credentials

# way KIND NAME: how that password is written
way() {
  case $1 in
    plain) echo "${!2}" ;;
    sealed) seal "${!2}" ;;
    file) echo "file:$WORLD_DIR/$2.pw" ;;
    env) echo "env:MOON_TEST_${2^^}" ;;
    credential) echo "credential:$2" ;;
  esac
}
# all_ways KIND [KEY=VALUE ...]: a config in which every password there is stands in that way
all_ways() {
  moon_conf "NTAP_USERS=svm1:vsadmin/$(way "$1" controller)" "CMODE_CLUSTER_USERS=cl1:admin/$(way "$1" cluster)" \
    "OM_PWD=$(way "$1" manager)" "SITE_PASSWORD=$(way "$1" site)" "MY_PWD=$(way "$1" own)" LOG_TRACE_ENABLE=Y \
    "SUCCESS_TRAP=$WORLD_DIR/trap %SUCCESS_MSG" 'SUCCESS_MSG=done with %SITE_PASSWORD' "SENDTRAP=$WORLD_DIR/trap %MSG" \
    "POST_APP_QUIESCE_CMD01=SERVER:$look $seen $1 $WORLD_DIR/state" "${@:2}"
}
printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>%s\n' "$WORLD_DIR/trap.said" >"$WORLD_DIR/trap"
chmod 755 "$WORLD_DIR/trap"
# with_env CMD...: CMD with the variables that env: refers to
with_env() {
  MOON_TEST_CONTROLLER=$controller MOON_TEST_CLUSTER=$cluster MOON_TEST_MANAGER=$manager MOON_TEST_SITE=$site \
    MOON_TEST_OWN=$own "$@"
}
# told "name" CODE CMD...: check_exit; its words are kept
told() {
  check_exit "$@"
  cat "$OUT" "$ERR" >>"$said/all"
  next_second
}

# --- during a pause, with each way to give a password ---

basic=$(printf 'vsadmin:%s' "$controller" | base64 -w 0)
number=0
for kind in plain sealed file env credential; do
  api=zapi
  if [ $((number++ % 2)) = 1 ]; then api=rest; fi
  all_ways $kind "ONTAP_API=$api"
  given=()
  if [ $kind = env ]; then given=(with_env); fi
  told "$kind, $api: a backup" 0 "${given[@]}" moon backup --policy daily --debug --json
  SNAP=$(jq -r .snapshot "$OUT")
  for who in command moonsnap moonsnap-guard; do
    check "$kind: $who was looked at" test -s "$seen/$kind.$who.cmdline"
    check_match "$kind: $who: no core dump" "$seen/$kind.$who.limits" '^Max core file size +0 '
  done
  check "$kind: the journal was looked at" grep -rqs '^hold\|^intent\|alpha' "$seen/$kind.state/journal"
  check_eq "$kind: the command has no variable that it was not given" \
    "$(sed -n 's/^\([A-Za-z_]*\)=.*/\1/p' "$seen/$kind.env" | grep -vxE 'PATH|HOME|LANG|PWD|OLDPWD|SHLVL|_' || true)" ''
done
if [ -s "$seen/env.moonsnap.environ" ]; then
  for who in moonsnap moonsnap-guard; do
    tr '\0' '\n' <"$seen/env.$who.environ" >"$WORLD_DIR/environ"
    check_match "env: $who has the variable, and nothing in it" "$WORLD_DIR/environ" '^MOON_TEST_CONTROLLER=$'
  done
else
  check 'env: nobody but root looks into the environment' test -s "$seen/env.moonsnap.denied"
fi
check_match 'a trap is told of the end' "$WORLD_DIR/trap.said" '^done with \*{8}$'

# --- and afterwards, and when it goes wrong ---

all_ways env ONTAP_API=rest
told 'a restore' 0 with_env moon restore --policy daily --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes --debug
told 'discover' 0 with_env moon discover --json --debug
told 'a variable that is not set' 2 env -u MOON_TEST_CONTROLLER "$MOONSNAP" discover "${MOON_ARGS[@]}" \
  --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state" --debug
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=other -keyout "$WORLD_DIR/other.key" -out "$WORLD_DIR/other.pem" \
  2>/dev/null
for api in zapi rest; do
  all_ways env "ONTAP_API=$api" "NTAP_USERS=svm1:vsadmin/$wrong"
  told "$api: a failing login" 1 with_env moon backup --policy daily --debug
  all_ways env "ONTAP_API=$api" "ONTAP_CA_FILE=$WORLD_DIR/other.pem"
  told "$api: another authority's certificate" 1 with_env moon backup --policy daily --debug
  all_ways sealed "ONTAP_API=$api" "PRE_NTAP_CMD01=SERVER:/bin/ls /none/%SITE_PASSWORD"
  told "$api: a command that fails with a password" 1 moon backup --policy daily --debug
done
all_ways env
told 'scdump' 0 with_env timeout 60 "$MOONSNAP" scdump --profile demo --config-dir "$WORLD_DIR/etc" \
  --state-dir "$WORLD_DIR/state" --json
mkdir "$WORLD_DIR/dump"
check 'its archive' tar -xzf "$(jq -r .archive "$OUT")" -C "$WORLD_DIR/dump"

check_match 'the search finds what there is' "$WORLD_DIR/controller.pw" Xq7
for place in "$said" "$seen" "$WORLD_DIR/state" "$WORLD_DIR/dump"; do
  check_match "${place##*/}: there is something to search" <(find "$place" -type f -size +0) .
  for word in Xq7 "${basic:12:16}"; do
    check_eq "'$word' is nowhere in ${place##*/}" "$(grep -rlaF -e "$word" "$place" || true)" ''
  done
done

# --- an ordinary user: nothing of the same user reads the engine's or the guard's memory ---

moon_conf APP_CONF_PERSISTENCE=N "POST_APP_QUIESCE_CMD01=SERVER:$look $seen user $WORLD_DIR/local/state" \
  "NTAP_USERS=svm1:vsadmin/$controller"
check_exit 'a backup of an ordinary user' 0 as_guests backup --policy daily
for who in moonsnap moonsnap-guard; do
  check "$who: its environment and memory are closed to its user" test -s "$seen/user.$who.denied"
done
check_not 'a command of his is open to him' test -e "$seen/user.command.denied"

# --- core dumps ---

printf 'print "ready"\nio.stdout:flush()\nio.read()\n' >"$WORLD_DIR/wait.lua"
mkfifo "$WORLD_DIR/nothing"
# dump [NAME=VALUE]: ends an engine with a signal that dumps core, its limit lifted again; DUMPED says whether it did
dump() {
  local pid
  DUMPED=no
  rm -rf "$WORLD_DIR/cores"
  mkdir "$WORLD_DIR/cores"
  : >"$WORLD_DIR/ready"
  exec 9<>"$WORLD_DIR/nothing"
  (cd "$WORLD_DIR/cores" &&
    exec env "$@" "${core[@]}" "$MOONSNAP" run "$WORLD_DIR/wait.lua" <&9 >"$WORLD_DIR/ready" 2>/dev/null) &
  pid=$!
  poll 20 grep -q ready "$WORLD_DIR/ready" || DUMPED='not ready'
  prlimit --core=unlimited --pid $pid
  kill -SEGV $pid
  # bash's report of a job is the only place in a shell where the flag of the exit status is seen, and not in $(...)
  { wait $pid || true; } 2>"$WORLD_DIR/report"
  exec 9<&-
  if grep -q 'core dumped' "$WORLD_DIR/report"; then DUMPED=yes; fi
}
# A sanitizer would take the signal for a fault, and forbid the dump by itself.
core=(ASAN_OPTIONS=handle_segv=0:disable_coredump=0
  TSAN_OPTIONS=handle_segv=0:disable_coredump=0:ignore_noninstrumented_modules=1)
dump MOON_CORE=
check_eq 'no core dump, whatever its limit' "$DUMPED" no
# Where the system lets nobody dump, neither of the two says anything.
(ulimit -c unlimited 2>/dev/null && cd "$WORLD_DIR" && exec sleep 60) &
sleeper=$!
poll 10 grep -q '^sleep' "/proc/$sleeper/comm"
kill -SEGV $sleeper
{ wait $sleeper || true; } 2>"$WORLD_DIR/report"
if grep -q 'core dumped' "$WORLD_DIR/report"; then
  dump MOON_CORE=1
  check_eq 'MOON_CORE=1 allows one' "$DUMPED" yes
else
  skip 'MOON_CORE=1 allows one' 'this system writes no core dump at all'
fi
finish
