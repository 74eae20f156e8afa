#!/bin/bash
# How many requests a discovery takes does not depend on how many guests there are: volumes, interfaces and version are
# asked for once, and of many LUNs the controller's pages are read instead of one question each.
set -euo pipefail
# shellcheck disable=SC2034 # the world reads it
WORLD_VOLUMES=()
# shellcheck source=../lib/scene.sh
. "$(dirname "$(realpath "$0")")/../lib/scene.sh"
# shellcheck source=../bench/tools.sh
. "$(dirname "$(realpath "$0")")/../bench/tools.sh"
# shellcheck source=../bench/model.sh
. "$(dirname "$(realpath "$0")")/../bench/model.sh"
requires libvirtd virsh curl jq setpriv od
bench_tool santree libvirt
world_up
domains=40 # 20 on files, 20 on LUNs of 400
model_up $domains
calls() { sim_requests | jq -c '.calls'; }
mapped() { jq -r '.guests | length' "$OUT"; }

# two requests for identity and version come before anything is looked for
for api in zapi rest; do
  sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
  check_exit "$api: discover" 0 moon discover --json --params ONTAP_API=$api
  check_eq "$api: every guest is found" "$(mapped)" $domains
  case $api in
    zapi) want='{"lun-get-iter":5,"net-interface-get-iter":1,"volume-get-iter":1}' ;; # the last page says that it is the last
    rest) want='{"GET /network/ip/interfaces":1,"GET /storage/luns":1,"GET /storage/volumes":1}' ;;
  esac
  check_eq "$api: each list once, LUNs by the page" "$(calls | jq -cS 'del(.["system-get-version"], .["GET /cluster"], .["vserver-get-iter"])')" "$want"
done

# Before a restore overwrites a disk, every guest of the host is asked whether it uses it: the same pages once more.
cat >"$WORLD_DIR/users.lua" <<'LUA'
return require("std.workflow").extend("discover", {
  discover = function(ctx, next)
    next()
    local mine, other = ctx.guests[2], ctx.guests[4]
    ctx.items = { { name = mine.name, recorded = { uuid = mine.uuid }, objects = { mine.disks[1].object } } }
    assert(require("std.restore_checks").users(ctx))
    ctx.items[1].objects = { other.disks[1].object }
    local ok, failed = require("std.restore_checks").users(ctx)
    assert(not ok and failed.scf == "kvm-00012", failed)
  end,
})
LUA
sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
check_exit 'users of a disk' 0 moon discover --script "$WORLD_DIR/users.lua" --params ONTAP_API=zapi
check_eq 'are found by the page, too' "$(calls | jq '.["lun-get-iter"]')" 15

# few guests on LUNs: a question each, and no list of all
sim_curl -X DELETE "$SIM_URL/sim/requests" >/dev/null
check_exit 'discover of three guests' 0 moon discover --json --params ONTAP_API=rest KVM_VMS=d0001,d0003,d0005
check_eq 'is three questions' "$(calls | jq '.["GET /storage/luns"]')" 3
finish
