#!/bin/bash
# The roles of scripts/README.md are enough for their action, and no line too many: its own commands are made roles of
# the simulator; with all lines the action works, without one it fails and names the command that is missing.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../lib/vault.sh
. "$(dirname "$(realpath "$0")")/../lib/vault.sh"
readme=$(realpath "$(dirname "$(realpath "$0")")/../..")/scripts/README.md

# role ACTION API: its lines, "RIGHT<tab>ACCESS<tab>optional or nothing".
role() {
  awk -v mark="<!-- role $1 $2 -->" '
    $0 == mark { marked = 1; next }
    /^```/ && inside { exit }
    /^```sh/ && marked { inside = 1; next }
    inside' "$readme" |
    sed -nE 's/^security login (role|rest-role) create .* -(cmddirname|api) "([^"]+)" -access ([a-z_]+)( # (optional))?$/\3\t\4\t\6/p'
}

# role_json ACTION API [LINE]: as a role of the simulator, without that line. "luns" are restores of guests on LUNs.
role_json() {
  { lines_of "$1" "$2" | awk -v skip="${3:-0}" 'NR != skip'; base "$1" "$2"; } | awk -F '\t' '!seen[$1]++' |
    jq -Rn --arg api "$2" '[inputs | split("\t")] | if $api == "zapi" then { commands: map({ command: .[0], access: .[1] }) }
      else { rest: map({ api: .[0], access: .[1] }) } end'
}

lines_of() {
  case $1 in
    luns) role restore "$2"; role lun "$2" ;;
    cloneVol) role cloneVol "$2"; role export "$2" ;;
    cloneLun) role cloneLun "$2"; role igroup "$2" ;;
    *) role "$1" "$2" ;;
  esac
}
# Lines that those of an action come on top of; each of them is tried where it stands.
base() { case $1 in cloneVol | cloneLun) role backup "$2" ;; vault) role restore "$2" ;; esac; }

actions=(discover volumeList backupList backup restore backupDel cloneList cloneVol cloneLun)
apis=(zapi rest)

# --- one user for each role, and one for each role without one of its lines ---

scene alpha:vol1:off
accounts='{}'
account() { # NAME ROLE-JSON
  accounts=$(jq --arg n "$1" --argjson r "$2" '.[$n] = $r' <<<"$accounts")
}
for api in "${apis[@]}"; do
  for action in "${actions[@]}"; do
    lines=$(lines_of "$action" "$api" | wc -l)
    check "$action, $api: scripts/README.md has a role" test "$lines" -gt 0
    for ((i = 0; i <= lines; i++)); do account "${action}_${api}_$i" "$(role_json "$action" "$api" $i)"; done
  done
  account "luns_${api}_0" "$(role_json luns "$api")"
  account "luns_${api}_1" "$(role_json restore "$api")"
done
for i in 0 1; do account "vault_rest_$i" "$(role_json vault rest $i)"; done
account at_vault "$(role_json atVault rest)"
check_eq 'every line of the blocks was understood' "$(grep -cE '^security login (role|rest-role) create ' "$readme")" \
  "$(for api in "${apis[@]}"; do for action in "${actions[@]}" lun igroup export replicate vault atVault; do role "$action" "$api"; done; done | wc -l)"
sim_stop
config="$accounts as \$roles | .roles = \$roles
  | .users += (\$roles | keys | map({ name: ., password: \"secret\", svm: \"svm1\", role: . }))
  | .svms[0].luns = [{ path: \"/vol/vol2/lun1\", size: 1048576, serial: \"800Kb]Rj0Gde\" },
    { path: \"/vol/vol1/lun2\", size: 1048576, serial: \"800Kb]Rj0Gdf\" }]
  | .svms[0].igroups = [{ name: \"tape\" }]"
sim_config "$WORLD_DIR/sim.json" "$config"
sim_start

# as USER API: a config for that account; one copy of policy hourly, so that each backup deletes the one before.
as() { moon_conf "NTAP_USERS=svm1:$1/secret" "ONTAP_API=$2" NTAP_SNAPSHOT_RETENTIONS=hourly:1,daily:7 "${EXTRA[@]}"; }
EXTRA=()

act() {
  case $1 in
    backup) next_second; moon backup --policy hourly ;;
    restore) next_second; moon restore --policy daily --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes ;;
    cloneVol | cloneLun) next_second; moon "$1" --policy hourly ;;
    backupDel) moon backupDel --policy daily --backupName "$VICTIM" --yes ;;
    *) moon "$1" ;;
  esac
}

prepare() { # what the action works on, made by an account that may do all
  case $1 in
    backup) as vsadmin zapi; next_second; run moon backup --policy hourly ;;
    backupDel)
      as vsadmin zapi
      next_second
      run moon backup --policy daily --json
      VICTIM=$(jq -r .snapshot "$OUT")
      ;;
    cloneVol | cloneLun) # one that is replaced
      as vsadmin zapi
      next_second
      run moon "$1" --policy hourly --json
      CLONES=$(jq -r '.clones[].name' "$OUT")
      ;;
  esac
}
all_there() { # NAME ...: volumes
  local name
  for name; do zapi volume-get-iter | grep -qF "<name>$name<" || return 1; done
}

as vsadmin zapi
backup
for api in "${apis[@]}"; do
  for action in "${actions[@]}"; do
    EXTRA=()
    if [ "$action" = cloneVol ]; then EXTRA=(NTAP_NFS_EXPORT_HOST=192.0.2.7); fi
    if [ "$action" = cloneLun ]; then EXTRA=(NTAP_CLONE_IGROUP_MAP=svm1:vol1/tape); fi
    prepare "$action"
    as "${action}_${api}_0" "$api"
    check_exit "$action, $api: works with its role" 0 act "$action"
    i=0
    while IFS=$'\t' read -r right _ optional; do
      i=$((i + 1))
      case $action in backupDel | clone*) prepare "$action" ;; esac
      as "${action}_${api}_$i" "$api"
      run act "$action"
      if [ -n "$optional" ]; then
        check_eq "$action, $api: goes on without '$right'" "$CODE" 0
      elif [ "$CODE" = 0 ]; then
        not_ok "$action, $api: fails without '$right'" 'exit 0' "$OUT" "$ERR"
      elif grep -qF "the role of user '${action}_${api}_$i' lacks" "$ERR" && grep -qF "\"$right\"" "$ERR"; then
        ok "$action, $api: fails without '$right', and says so"
      else
        not_ok "$action, $api: fails without '$right', and says so" "exit $CODE" "$ERR"
      fi
      if [[ $action = cloneVol && $right = *lun* ]]; then
        # shellcheck disable=SC2086 # names of volumes
        check "$action, $api: without '$right' no clone is deleted" all_there $CLONES
      fi
    done < <(lines_of "$action" "$api")
    if [ "$action" = restore ]; then # one that failed in the middle has left the disk in doubt, which backups tell
      as vsadmin zapi
      check_exit "restore, $api: made again, it ends the doubt" 0 act restore
    fi
  done
done
# --- guests on LUNs: what std.san asks a controller for, without a host that has multipath devices ---

cat >"$WORLD_DIR/lun.lua" <<'LUA'
local ontap, privileges, restoring = require "engine.ontap", require "std.privileges", require "std.restoring"
local user, api, port, ca = ...
local client = assert(ontap.new { name = "svm1", host = "127.0.0.1", port = tonumber(port), ca_file = ca, user = user,
  password = "secret", api = api })
local controller = { client = client, transport = api, options = { user = user } }
local rows, failed = client:luns { serial = "800Kb]Rj0Gde" }
if not rows then error(privileges.explain(controller, failed, "find LUNs"), 0) end
local begun
begun, failed = client:lun_restore(rows[1].path, "s1")
if not begun then error(privileges.explain(controller, failed, "restore LUNs"), 0) end
assert(restoring.wait(client, { path = rows[1].path, job = begun.job }))
LUA
lun=$SIM_ROOT/svm1/vol2/lun1
dd if=/dev/urandom of="$lun" bs=1M count=1 conv=notrunc status=none
was=$(sum "$lun")
zapi snapshot-create '<volume>vol2</volume><snapshot>s1</snapshot>' >/dev/null
for api in "${apis[@]}"; do
  dd if=/dev/urandom of="$lun" bs=1M count=1 conv=notrunc status=none
  run timeout 60 "$MOONSNAP" run "$WORLD_DIR/lun.lua" "luns_${api}_1" "$api" "$SIM_PORT" "$SIM_CA"
  check_eq "LUN, $api: fails without its lines" "$CODE" 1
  said "LUN, $api: and says so" "the role of user 'luns_${api}_1' lacks what it takes to find LUNs: security login .*(\"lun show\"|/api/storage/luns)"
  check_exit "LUN, $api: works with them" 0 timeout 60 "$MOONSNAP" run "$WORLD_DIR/lun.lua" "luns_${api}_0" "$api" "$SIM_PORT" "$SIM_CA"
  check_eq "LUN, $api: byte for byte the copy" "$(sum "$lun")" "$was"
done

# --- a backup that only a vault has ---

vault_up "$config | .users += [{ name: \"reader\", password: \"secret\", svm: \"svm_vault\", role: \"at_vault\" }]" v1
relate v1 vol1 kvm_vault
from_vault() { # USER USER-AT-THE-VAULT COMMAND ...
  moon_conf "NTAP_USERS=svm1:$1/secret;svm_vault:$2/secret" 'MANAGEMENT_INTERFACES=svm1:127.0.0.1;svm_vault:127.0.0.1' ONTAP_API=rest \
    NTAP_SNAPVAULT_UPDATE=Y SNAPVAULT_VOLUMES=svm1:vol1 NTAP_SNAPSHOT_RETENTIONS=hourly:1,daily:1 NTAP_SNAPVAULT_RETENTIONS=daily:9
  next_second
  run "${@:3}"
}
restore_vault() { moon restore --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes; }
fetched() { find "$SIM_ROOT/svm1/vol1" -path '*/.snapshot' -prune -o -name '*.moonsnap_*' -print; }
from_vault vsadmin vault moon backup --policy daily --json
SNAP=$(jq -r .snapshot "$OUT")
from_vault vsadmin vault moon backup --policy daily
check_eq 'vault: the backup is there only' "$(snapshots vol1 | grep -cx "$SNAP" || true) $(secondary v1 | grep -c "$SNAP")" '0 1'
from_vault vault_rest_1 reader restore_vault
check_eq "vault: fails without '/api/snapmirror/relationships'" "$CODE" 1
said 'vault: and says so' "the role of user 'vault_rest_1' lacks what it takes to restore from a vault: security login rest-role .*\"/api/snapmirror/relationships\" -access all"
from_vault vault_rest_0 reader restore_vault
check_eq 'vault: works with its role' "$CODE" 0
check_eq 'vault: nothing fetched is left' "$(fetched)" ''
finish
