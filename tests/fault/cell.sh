#!/bin/bash
# cell.sh BUILD DIR [ONLY]: one world of the fault matrix and what is done in it; `run` starts several.
set -euo pipefail
MOON_BUILD=$1
# shellcheck source=../lib/world.sh
. "$(dirname "$(realpath "$0")")/../lib/world.sh"
here=$(dirname "$(realpath "$0")")
world_up
sim_config "$WORLD_DIR/sim.json" '.svms[0].luns = [{ path: "/vol/vol2/lun1", size: 1048576, serial: "800Kb]Rj0Gde" }]
  | .svms[0].igroups = [{ name: "tape", protocol: "iscsi", os_type: "linux", initiators: ["iqn.1994-05.com.redhat:t"] }]'
sim_start
for spec in alpha:vol1 bravo:vol2; do
  image=$SIM_ROOT/svm1/${spec#*:}/${spec%:*}.img
  image_make "$image"
  guest_define "${spec%:*}" "$image"
  guest_start "${spec%:*}"
  wait_counter "$image" 1 || world_fail "${spec%:*} does not count"
done
# REST takes a consistent snapshot of what stands in a group object only.
sim_curl -u vsadmin:secret -X POST -H 'Content-Type: application/json' "$SIM_URL/api/application/consistency-groups?return_timeout=15" \
  -d '{"name": "kvm", "svm": {"name": "svm1"}, "volumes": [{"name": "vol1", "provisioning_options": {"action": "add"}},
    {"name": "vol2", "provisioning_options": {"action": "add"}}]}' >/dev/null
moon_conf KVM_CMD_RETRY_WAIT=0 ONTAP_RETRIES=1 NTAP_SNAPSHOT_CLEANUP=Y SC_AGENT_UNQUIESCE_TIMEOUT=20
cp -a "$WORLD_DIR/etc" "$WORLD_DIR/etc.kept"
jq -n --arg dir "$WORLD_DIR" --arg uri "$MOON_TEST_URI" --arg url "$SIM_URL" --arg root "$SIM_ROOT" --arg ca "$SIM_CA" \
  --arg engine "$MOON_BUILD/moonsnap-fault" --arg plain "$MOONSNAP" \
  '{dir: $dir, uri: $uri, url: $url, root: $root, ca: $ca, engine: $engine, plain: $plain, guests: ["alpha", "bravo"]}' \
  >"$WORLD_DIR/world.json"
"$MOONSNAP" run "$here/main.lua" "$WORLD_DIR/world.json" "$2" ${3:+"$3"}
