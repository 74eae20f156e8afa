# shellcheck shell=bash
# vault.sh: a second SVM, svm_vault, whose volumes are SnapMirror and SnapVault destinations. Sourced after scene.sh.
#
#   vault_up JQ [DP-VOLUME ...]     restarts the simulator with svm_vault, its user vault/secret and these volumes, and
#                                   the config changed by JQ; makes the policy kvm_vault for the labels daily and hourly
#   at_vault CALL [XML]             one raw call to svm_vault, the reply on stdout
#   vault CALL [XML]                the same, must pass
#   to VOLUME                       <destination-location> of a volume of svm_vault
#   idle VOLUME / runs VOLUME       how its relationship stands
#   relate VOLUME SOURCE POLICY     makes and initializes the relationship of svm1:SOURCE
#   BOTH                            parameters by which a config reaches both SVMs
#   secondary VOLUME                the copies that a vault has, in one line

# shellcheck disable=SC2034
BOTH=(NTAP_USERS='svm1:vsadmin/secret;svm_vault:vault/secret' MANAGEMENT_INTERFACES='svm1:127.0.0.1;svm_vault:127.0.0.1')

at_vault() {
  curl -sS --max-time 20 --cacert "$SIM_CA" -u vault:secret -H 'Content-Type: text/xml' "$SIM_URL/servlets/netapp.servlets.admin.XMLrequest_filer" \
    -d '<?xml version="1.0" encoding="UTF-8"?><netapp version="1.150" xmlns="http://www.netapp.com/filer/admin"><'"$1"'>'"${2:-}"'</'"$1"'></netapp>'
}
vault() { at_vault "$@" | grep -q 'status="passed"' || world_fail "$1: $(at_vault "$@")"; }
to() { printf '<destination-location>svm_vault:%s</destination-location>' "$1"; }
idle() { at_vault snapmirror-get "$(to "$1")" | grep -q '<relationship-status>idle<'; }
runs() { at_vault snapmirror-get "$(to "$1")" | grep -q '<relationship-status>transferring<'; }

relate() { # destination, source, policy
  vault snapmirror-create "$(to "$1")<source-location>svm1:$2</source-location><policy>$3</policy>"
  vault snapmirror-initialize "$(to "$1")"
  poll 10 idle "$1" || world_fail "$1 is not initialized"
}

secondary() { find "$SIM_ROOT/svm_vault/$1/.snapshot" -mindepth 1 -maxdepth 1 -name 'demo-*' -printf '%f\n' 2>/dev/null | sort | paste -sd' '; }

vault_up() {
  local volumes='' name label
  for name in "${@:2}"; do volumes+="${volumes:+, }{ name: \"$name\", size: 1073741824, type: \"dp\" }"; done
  sim_stop
  sim_config "$WORLD_DIR/sim.json" ".users += [{ name: \"vault\", password: \"secret\", svm: \"svm_vault\" }]
    | .svms += [{ name: \"svm_vault\", volumes: [$volumes] }] | $1"
  sim_start
  vault snapmirror-policy-create '<policy-name>kvm_vault</policy-name><type>vault</type>'
  for label in daily hourly; do
    vault snapmirror-policy-add-rule "<policy-name>kvm_vault</policy-name><snapmirror-label>$label</snapmirror-label><keep>20</keep>"
  done
}
