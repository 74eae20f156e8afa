#!/bin/bash
# cell.sh BUILD DIR [ONLY]: one world of the fault matrix and what is done in it; `run` starts several.
set -euo pipefail
MOON_BUILD=$1
# shellcheck source=../lib/world.sh
. "$(dirname "$(realpath "$0")")/../lib/world.sh"
# shellcheck source=../lib/agent.sh
. "$(dirname "$(realpath "$0")")/../lib/agent.sh"
# shellcheck source=../lib/vault.sh
. "$(dirname "$(realpath "$0")")/../lib/vault.sh"
here=$(dirname "$(realpath "$0")")
world_up
vault_up '.transfer_ms = 50 | .rst_keep_ms = 50
  | .svms[0].luns = [{ path: "/vol/vol2/lun1", size: 1048576, serial: "800Kb]Rj0Gde" }]
  | .svms[0].igroups = [{ name: "tape", protocol: "iscsi", os_type: "linux", initiators: ["iqn.1994-05.com.redhat:t"] }]' \
  v1 v2 m1
for spec in alpha:vol1 bravo:vol2; do
  image=$SIM_ROOT/svm1/${spec#*:}/${spec%:*}.img
  image_make "$image"
  guest_define "${spec%:*}" "$image"
  agent_add "${spec%:*}"
  wait_counter "$image" 1 || world_fail "${spec%:*} does not count"
done
relate v1 vol1 kvm_vault
relate v2 vol2 kvm_vault
relate m1 vol1 MirrorAllSnapshots
# REST takes a consistent snapshot of what stands in a group object only.
sim_curl -u vsadmin:secret -X POST -H 'Content-Type: application/json' "$SIM_URL/api/application/consistency-groups?return_timeout=15" \
  -d '{"name": "kvm", "svm": {"name": "svm1"}, "volumes": [{"name": "vol1", "provisioning_options": {"action": "add"}},
    {"name": "vol2", "provisioning_options": {"action": "add"}}]}' >/dev/null
moon_conf KVM_CMD_RETRY_WAIT=0 ONTAP_RETRIES=1 NTAP_SNAPSHOT_CLEANUP=Y SC_AGENT_UNQUIESCE_TIMEOUT=20
# Commands of the site: one that leaves a line for each call, and an application that stands still while its file is there.
mkdir "$WORLD_DIR/etc/db"
cat >"$WORLD_DIR/note" <<NOTE
#!/bin/sh
echo "\$1" >>'$WORLD_DIR/trail'
NOTE
cat >"$WORLD_DIR/app" <<APP
#!/bin/sh
mkdir -p '$WORLD_DIR/applications'
case \$1 in quiesce) : >'$WORLD_DIR/applications/'\$2 ;; *) rm -f '$WORLD_DIR/applications/'\$2 ;; esac
APP
chmod 755 "$WORLD_DIR/note" "$WORLD_DIR/app"
printf 'command: %s\n' "$WORLD_DIR/note" "$WORLD_DIR/app" >"$WORLD_DIR/etc/allowed_commands.config"
chmod 644 "$WORLD_DIR/etc/allowed_commands.config"
for name in one two; do
  printf '%s\n' "APP_QUIESCE_CMD01=$WORLD_DIR/app quiesce $name" "APP_UNQUIESCE_CMD01=$WORLD_DIR/app unquiesce $name" \
    >"$WORLD_DIR/etc/db/$name.conf"
  chmod 600 "$WORLD_DIR/etc/db/$name.conf"
done
cp -a "$WORLD_DIR/etc" "$WORLD_DIR/etc.kept"
jq -n --arg dir "$WORLD_DIR" --arg uri "$MOON_TEST_URI" --arg url "$SIM_URL" --arg root "$SIM_ROOT" --arg ca "$SIM_CA" \
  --arg engine "$MOON_BUILD/moonsnap-fault" --arg plain "$MOONSNAP" \
  --arg here "$here" '{here: $here, dir: $dir, uri: $uri, url: $url, root: $root, ca: $ca, engine: $engine, plain: $plain,
    guests: ["alpha", "bravo"], vaults: { v1: "vol1", v2: "vol2" }, mirrors: { m1: "vol1" }}' \
  >"$WORLD_DIR/world.json"
"$MOONSNAP" run "$here/main.lua" "$WORLD_DIR/world.json" "$2" ${3:+"$3"} &
pid=$!
trap 'kill -TERM $pid; exit 143' INT TERM HUP
wait $pid
