#!/bin/bash
# The roles of scripts/README.md are enough for their action, and no line too many: its own commands are made roles of
# the simulator; with all lines the action works, without one it fails and names the command that is missing.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
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

# role_json ACTION API [LINE]: as a role of the simulator, without that line.
role_json() {
  role "$1" "$2" | awk -v skip="${3:-0}" 'NR != skip' |
    jq -Rn --arg api "$2" '[inputs | split("\t")] | if $api == "zapi" then { commands: map({ command: .[0], access: .[1] }) }
      else { rest: map({ api: .[0], access: .[1] }) } end'
}

actions=(discover volumeList backupList backup restore backupDel)
apis=(zapi rest)

# --- one user for each role, and one for each role without one of its lines ---

scene alpha:vol1:off
accounts='{}'
account() { # NAME ROLE-JSON
  accounts=$(jq --arg n "$1" --argjson r "$2" '.[$n] = $r' <<<"$accounts")
}
for api in "${apis[@]}"; do
  for action in "${actions[@]}"; do
    lines=$(role "$action" "$api" | wc -l)
    check "$action, $api: scripts/README.md has a role" test "$lines" -gt 0
    for ((i = 0; i <= lines; i++)); do account "${action}_${api}_$i" "$(role_json "$action" "$api" $i)"; done
  done
done
check_eq 'every line of the blocks was understood' "$(grep -cE '^security login (role|rest-role) create ' "$readme")" \
  "$(for api in "${apis[@]}"; do for action in "${actions[@]}"; do role "$action" "$api"; done; done | wc -l)"
sim_stop
sim_config "$WORLD_DIR/sim.json" "$accounts as \$roles | .roles = \$roles
  | .users += (\$roles | keys | map({ name: ., password: \"secret\", svm: \"svm1\", role: . }))"
sim_start

# as USER API: a config for that account; one copy of policy hourly, so that each backup deletes the one before.
as() { moon_conf "NTAP_USERS=svm1:$1/secret" "ONTAP_API=$2" NTAP_SNAPSHOT_RETENTIONS=hourly:1,daily:7; }

act() {
  case $1 in
    backup) next_second; moon backup --policy hourly ;;
    restore) next_second; moon restore --policy daily --backupName "$SNAP" --params KVM_RESTORE_VM_LIST=alpha --yes ;;
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
  esac
}

as vsadmin zapi
backup
for api in "${apis[@]}"; do
  for action in "${actions[@]}"; do
    prepare "$action"
    as "${action}_${api}_0" "$api"
    check_exit "$action, $api: works with its role" 0 act "$action"
    i=0
    while IFS=$'\t' read -r right _ optional; do
      i=$((i + 1))
      if [ "$action" = backupDel ]; then prepare backupDel; fi
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
    done < <(role "$action" "$api")
  done
done
finish
