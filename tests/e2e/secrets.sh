#!/bin/bash
# Passwords: sealed, referred to, in clear where others can read them, encrypted by Snap Creator; and none of them in
# anything that a run says or leaves behind.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires script base64
scene alpha:vol1:off
conf=$WORLD_DIR/etc/demo/kvm.conf key=$WORLD_DIR/state/secret.key
# What XML, JSON, a URL, a substitution and a list would all trip over.
password='gEheim7%SNAME/:"<&'\'
sim_stop
sim_config "$WORLD_DIR/sim.json" ".users[1].password = $(jq -n --arg p "$password" '$p')"
sim_start

seal() { timeout 20 "$MOONSNAP" seal --state-dir "$WORLD_DIR/state" "$@"; }
seal_word() { printf '%s\n' "$1" | seal "${@:2}"; }
sealed_of() { seal_word "$password" "$@" 2>"$WORLD_DIR/seal.err"; }

# --- seal ---

check_exit 'seal of a password as an argument' 2 seal gEheim7
check_match 'is refused' "$ERR" 'seal takes no password as an argument'
check_no_match 'and not repeated' "$ERR" gEheim7
check_not 'no key was made for it' test -e "$key"
check_exit 'a dry run of seal' 0 seal --dry-run
check_not 'makes no key' test -e "$key"
sealed=$(sealed_of)
check_eq 'seal prints one word' "$([[ $sealed =~ ^sealed:1\.[A-Za-z0-9_-]+$ ]] && echo yes)" yes
check_match 'the first time it says that there is a key now' "$WORLD_DIR/seal.err" 'state/secret.key is the new key'
check_eq 'which only its owner reads' "$(stat -c %a "$key")" 600
cp "$key" "$WORLD_DIR/key.kept"
again=$(sealed_of)
check_eq 'the second time it says nothing' "$(cat "$WORLD_DIR/seal.err")" ''
check 'the key is the same' cmp "$key" "$WORLD_DIR/key.kept"
check_eq 'two seals differ' "$([ "$sealed" != "$again" ] && echo yes)" yes
check_eq 'seal --json' "$(sealed_of --json | jq -r '.sealed | startswith("sealed:1.")')" true
for bad in '' x $'tab\there'; do
  check_eq "seal of '$bad': refused" "$(seal_word "$bad" >/dev/null 2>&1 || echo $?)" 2
done
check_eq 'seal of two lines: refused' "$(printf 'one\ntwo\n' | seal >/dev/null 2>&1 || echo $?)" 2

# at_terminal FIRST SECOND: seal at a terminal; what the terminal showed is in $OUT, line ends made plain
# shellcheck disable=SC2094 # what the terminal showed is waited for while it is written
at_terminal() {
  local typed=$WORLD_DIR/typed shown=$WORLD_DIR/shown
  : >"$shown"
  CODE=0
  {
    poll 10 grep -q 'Password:' "$shown"
    printf '%s\n' "$1"
    poll 10 grep -q 'Again:' "$shown"
    printf '%s\n' "$2"
    sleep 0.3
  } | script -qefc "$MOONSNAP seal --state-dir $WORLD_DIR/state" "$typed" >"$shown" || CODE=$?
  tr -d '\r' <"$shown" >"$OUT"
}
at_terminal "$password" "$password"
check_eq 'seal at a terminal' "$CODE" 0
check_no_match 'does not show what is typed' "$OUT" gEheim7
typed=$(grep -oE 'sealed:1\.[A-Za-z0-9_-]+' "$OUT")
at_terminal "$password" other
check_eq 'two passwords that differ' "$CODE" 2
check_match 'are refused' "$OUT" 'the two passwords differ'
check_no_match 'and nothing is sealed' "$OUT" 'sealed:1'

# --- each way to give a password, on both transports ---

printf '%s\n' "$password" >"$WORLD_DIR/pw"
chmod 600 "$WORLD_DIR/pw"
mkdir "$WORLD_DIR/credentials"
cp "$WORLD_DIR/pw" "$WORLD_DIR/credentials/kvm_backup"
export MOON_TEST_PASSWORD=$password CREDENTIALS_DIRECTORY=$WORLD_DIR/credentials
for api in zapi rest; do
  for way in "$sealed" "$typed" "file:$WORLD_DIR/pw" env:MOON_TEST_PASSWORD credential:kvm_backup "$password"; do
    protection=Y
    if [ "$way" = "$password" ]; then protection=N; fi
    moon_conf "NTAP_USERS=svm1:vsadmin/$way" NTAP_PWD_PROTECTION=$protection "ONTAP_API=$api"
    check_exit "$api: ${way%%[:.]*}: backup" 0 moon backup --policy daily --debug
    cat "$OUT" "$ERR" >>"$WORLD_DIR/everything"
    next_second
  done
done
unset CREDENTIALS_DIRECTORY

# --- where the key is ---

moon_conf "NTAP_USERS=svm1:vsadmin/$sealed"
rm "$key"
check_exit 'without the key' 2 moon discover
check_match 'the file is named' "$ERR" "kvm.conf:[0-9]+: NTAP_USERS: key file '.*state/secret.key'"
CREDENTIALS_DIRECTORY=$WORLD_DIR/credentials
cp "$WORLD_DIR/key.kept" "$WORLD_DIR/credentials/moonsnap.key"
chmod 440 "$WORLD_DIR/credentials/moonsnap.key"
check_exit 'the key as a credential' 0 env CREDENTIALS_DIRECTORY="$CREDENTIALS_DIRECTORY" \
  "$MOONSNAP" discover "${MOON_ARGS[@]}" --config-dir "$WORLD_DIR/etc" --state-dir "$WORLD_DIR/state"
unset CREDENTIALS_DIRECTORY
check_exit 'the key by option' 0 moon discover --key-file "$WORLD_DIR/key.kept"
printf 'NTAP_PWD_KEY_FILE=%s\n' "$WORLD_DIR/key.kept" >>"$conf"
check_exit 'the key by parameter' 0 moon discover
chmod 640 "$WORLD_DIR/key.kept"
check_exit 'a key that others can read' 2 moon discover
check_match 'is told how to mend it' "$ERR" 'key.kept.*mode 0640.*run chmod 600 .*key.kept'
chmod 600 "$WORLD_DIR/key.kept"
seal_word other --key-file "$WORLD_DIR/key.other" >"$OUT" 2>"$ERR"
moon_conf "NTAP_USERS=svm1:vsadmin/$(cat "$OUT")" "NTAP_PWD_KEY_FILE=$WORLD_DIR/key.kept"
check_exit 'sealed with another key' 2 moon discover
check_match 'is told so' "$ERR" 'NTAP_USERS: it was sealed with another key than that of .*key.kept'
cp "$WORLD_DIR/key.kept" "$key"
chmod 600 "$key"

# --- in clear ---

before=$(sim_requests | jq '.log | length')
moon_conf "NTAP_USERS=svm1:vsadmin/$password"
for mode in 644 640 604; do
  chmod $mode "$conf"
  check_exit "a password in a file of mode $mode" 2 moon backup --policy daily
  check_match "mode $mode: file, mode and remedy are named" "$ERR" \
    "kvm.conf:[0-9]+: NTAP_USERS: it holds a password, and others can read the file \(mode 0$mode\); run chmod 600 .*demo/kvm.conf"
done
printf 'USE_GLOBAL_CONFIG=Y\n' >>"$conf"
chmod 600 "$conf"
printf 'CMODE_CLUSTER_USERS=cl1:admin/gEheim9\n' >"$WORLD_DIR/etc/global.conf"
chmod 644 "$WORLD_DIR/etc/global.conf"
check_exit 'a password in a global config that others can read' 2 moon backup --policy daily
check_match 'that file is named' "$ERR" 'etc/global.conf:1: CMODE_CLUSTER_USERS: .*run chmod 600 .*etc/global.conf'
rm "$WORLD_DIR/etc/global.conf"
moon_conf "NTAP_USERS=svm1:vsadmin/$sealed"
chmod 644 "$conf"
check_exit 'a sealed one may be read by all' 0 moon discover
chmod 600 "$conf"
chmod 644 "$WORLD_DIR/pw"
moon_conf "NTAP_USERS=svm1:vsadmin/file:$WORLD_DIR/pw"
check_exit 'file: that others can read' 2 moon discover
check_match 'file: is told how to mend it' "$ERR" "file '.*/pw': others can read the password in it \(mode 0644\); run chmod 600 "
moon_conf "NTAP_USERS=svm1:vsadmin/$password" NTAP_PWD_PROTECTION=Y
check_exit 'in clear with NTAP_PWD_PROTECTION=Y' 2 moon discover
check_match 'is told what to write' "$ERR" 'NTAP_USERS: it holds a password in clear, which NTAP_PWD_PROTECTION=Y .* forbids; write what moonsnap seal prints'
moon_conf "NTAP_USERS=svm1:vsadmin/$sealed"
check_exit 'in --params' 0 moon discover --params "NTAP_USERS=svm1:vsadmin/$password"
check_match 'in --params: it is warned of' "$ERR" 'list of processes'

# --- Snap Creator's own ---

for theirs in 53616c7465645f5f0123456789abcdef 53616c7404351e U2FsdGVkX18BI0VniavN7w; do
  for protection in Y N; do
    moon_conf "NTAP_USERS=svm1:vsadmin/$theirs" NTAP_PWD_PROTECTION=$protection
    check_exit "encrypted by Snap Creator ($theirs, $protection)" 2 moon discover
    check_match "$theirs, $protection: what to do is said" "$ERR" "Snap Creator's server encrypted, .*; run moonsnap seal, type the password"
    check_no_match "$theirs, $protection: it is not repeated" "$ERR" "$theirs"
  done
done
for wrong in env:MOON_NO_SUCH credential:kvm_backup "file:$WORLD_DIR/none" file:relative sealed:1.AAAA; do
  moon_conf "NTAP_USERS=svm1:vsadmin/$wrong"
  check_exit "$wrong" 2 moon discover
  check_match "$wrong: one line with file and line" "$ERR" 'error: .*kvm.conf:[0-9]+: NTAP_USERS: .+'
done
check_eq 'only the two that were right reached a controller' \
  "$(sim_requests | jq --argjson n "$before" '[.log[$n:][] | select(.status == "unauthorized")] | length')" 0

# --- none of them anywhere ---

moon_conf "NTAP_USERS=svm1:vsadmin/$sealed" NTAP_ASUP_ERROR_ENABLE=Y LOG_TRACE_ENABLE=Y "SITE_PASSWORD=file:$WORLD_DIR/pw" \
  'PRE_NTAP_CMD01=SERVER:/bin/echo hook "%SITE_PASSWORD"' 'PRE_RESTORE_CMD01=SERVER:/bin/echo "%SITE_PASSWORD"'
chmod 600 "$WORLD_DIR/pw"
printf 'gEheim7site\n' >"$WORLD_DIR/pw"
next_second
check_exit 'a debug run with a password in a hook' 0 moon backup --policy daily --debug --json
snap=$(jq -r .snapshot "$OUT")
check_match 'the hook had it' "$ERR" 'hook \*{8}'
cat "$OUT" "$ERR" >>"$WORLD_DIR/everything"
for args in 'backup --policy daily --dry-run' 'backup --policy daily --dry-run --json' "restore --policy daily --backupName $snap --params KVM_RESTORE_VM_LIST=alpha --yes" \
  'backupList --json' 'volumeList --json' 'discover --json' 'pingController --json' check; do
  next_second
  # shellcheck disable=SC2086
  check_exit "quiet of passwords: ${args%% *} ... ${args##* }" 0 moon $args --debug
  cat "$OUT" "$ERR" >>"$WORLD_DIR/everything"
done
sed -i 's|^PRE_NTAP_CMD01=.*|PRE_NTAP_CMD01=SERVER:/bin/ls "/no such file/%SITE_PASSWORD"|' "$conf"
check_exit 'a run that fails with a password in its error' 1 moon backup --policy daily --debug
check_match 'says so' "$ERR" 'PRE_NTAP_CMD01: .*/bin/ls.*\*{8}'
moon_conf "NTAP_USERS=svm1:vsadmin/gEheim7wrong" LOG_TRACE_ENABLE=Y
check_exit 'a wrong password' 1 moon backup --policy daily --debug
cat "$OUT" "$ERR" >>"$WORLD_DIR/everything"
check_match 'there is much to look at' "$WORLD_DIR/everything" 'STORAGE-02008'
basic=$(printf 'vsadmin:%s' "$password" | base64 -w 0)
for word in gEheim7 "$(printf %s "$password" | jq -Rr @uri)" "${basic:12:16}"; do
  check_eq "'$word' in nothing that was said" "$(grep -cF -e "$word" "$WORLD_DIR/everything")" 0
  check_eq "'$word' in nothing that was left behind" "$(grep -rlF -e "$word" "$WORLD_DIR/state" || true)" ''
done
sim_requests >"$WORLD_DIR/requests"
check_no_match 'and in no message to a controller' "$WORLD_DIR/requests" gEheim7
finish
