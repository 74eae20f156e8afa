#!/bin/bash
# The ways to log in: through the cluster, the SVM named as it is, by a name of ours or by the address of one of its
# LIFs; with a certificate. Each way on both transports makes a backup and restores it.
set -euo pipefail
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
requires openssl
scene alpha:vol1:off
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=kvmbackup \
  -keyout "$WORLD_DIR/key.pem" -out "$WORLD_DIR/cert.pem" 2>/dev/null
chmod a+r "$WORLD_DIR/cert.pem"
cat "$WORLD_DIR/cert.pem" "$WORLD_DIR/key.pem" >"$WORLD_DIR/both.pem"
sim_stop
# a second SVM with a volume of the same name: whoever does not say which one gets the wrong one
sim_config "$WORLD_DIR/sim.json" ".client_ca = \"$WORLD_DIR/cert.pem\"
  | .users += [{ name: \"kvmbackup\", cert: \"kvmbackup\", svm: \"svm1\" }]
  | .svms[0].lifs += [{ name: \"lif2\", address: \"127.0.0.3\" }]
  | .svms += [{ name: \"svm2\", lifs: [{ name: \"lif9\", address: \"127.0.0.9\" }], volumes: [{ name: \"vol1\", size: 1073741824, junction: \"/vol1\" }] },
      { name: \"site-mc\", lifs: [], volumes: [{ name: \"vol7\", size: 1073741824 }] }]"
sim_start
cluster=(VSERVER_TUNNEL_ENABLED=Y CMODE_CLUSTER_NAME=cl1 CMODE_CLUSTER_USERS=cl1:admin/secret NTAP_USERS=)

# way NAME CONTROLLER [KEY=VALUE ...]
way() {
  local name=$1 controller=$2 api want got
  for api in zapi rest; do
    moon_conf "VOLUMES=$controller:vol1" "ONTAP_API=$api" "${@:3}"
    check_exit "$name, $api: discover" 0 moon discover
    said "$name, $api: the guest's volume is that controller's" "alpha +shut ?off +vda +${controller//[\[\].]/.} +/vol/vol1/alpha\\.img"
    backup
    want=$(sum "$(copy alpha)")
    dd if=/dev/urandom of="${IMG[alpha]}" bs=1M count=1 seek=2 conv=notrunc status=none
    check_exit "$name, $api: restore" 0 restore alpha --yes
    got=$(sum "${IMG[alpha]}")
    check_eq "$name, $api: byte for byte the copy" "$got" "$want"
    check_exit "$name, $api: backupDel" 0 moon backupDel --policy daily --backupName "$SNAP" --yes
    check_eq "$name, $api: it is gone" "$(snapshots vol1 | grep -cx "$SNAP")" 0
  done
}
way 'through the cluster' svm1 "${cluster[@]}" MANAGEMENT_INTERFACES=cl1:127.0.0.1
way 'by the address of a LIF' 127.0.0.3 "${cluster[@]}" MANAGEMENT_INTERFACES=cl1:127.0.0.1
way 'by a name of ours' storage "${cluster[@]}" 'MANAGEMENT_INTERFACES=cl1:127.0.0.1;storage:127.0.0.3'
way 'with certificate and key' svm1 NTAP_USERS=svm1:kvmbackup "ONTAP_CERT=$WORLD_DIR/cert.pem" "ONTAP_KEY=$WORLD_DIR/key.pem"
way 'with both in one file, no user' svm1 NTAP_USERS= "ONTAP_CERT=svm1:$WORLD_DIR/both.pem"

moon_conf "${cluster[@]}" VOLUMES=site:vol7 MANAGEMENT_INTERFACES=cl1:127.0.0.1
check_exit 'an SVM after a switch-over of its MetroCluster' 0 moon volumeList
said 'has its volumes' '^site +vol7 +online'
moon_conf "${cluster[@]}" VOLUMES=svm7:vol1 MANAGEMENT_INTERFACES=cl1:127.0.0.1
check_exit 'an SVM that the cluster does not have' 2 moon backup --policy daily
check_match 'is named with the cluster' "$ERR" "controller 'svm7': cluster 'cl1' has no SVM of this name"
before=$(sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length')
moon_conf "${cluster[@]}" CMODE_CLUSTER_USERS=cl1:admin/wrong 'VOLUMES=svm1:vol1;svm2:vol1' MANAGEMENT_INTERFACES=cl1:127.0.0.1
check_exit 'a wrong password of the cluster' 1 moon backup --policy daily
check_eq 'is sent once, not once for each SVM' $(($(sim_requests | jq '[.log[] | select(.status == "unauthorized")] | length') - before)) 1
moon_conf NTAP_USERS=svm1:kvmbackup
check_exit 'neither password nor certificate' 2 moon backup --policy daily
check_match 'what to write is said' "$ERR" "NTAP_USERS: entry 1 has no '/' between user and password"
moon_conf NTAP_USERS=svm1:kvmbackup "ONTAP_CERT=$WORLD_DIR/none.pem"
check_exit 'a certificate that is not there' '1' moon backup --policy daily
check_match 'is named' "$ERR" 'none\.pem'
finish
