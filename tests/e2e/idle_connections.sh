#!/bin/bash
# Connections that the controller has closed because they were idle cost nothing: neither the snapshot, which goes over
# a warm connection and is not repeated, nor a list.
# usage: tests/e2e/idle_connections.sh [BUILD_DIR]
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"
cat >"$d/sim.json" <<END
{ "listen": "127.0.0.1:0", "root": "$d/root", "idle_seconds": 3, "users": [ { "name": "admin", "password": "secret" } ],
  "svms": [ { "name": "svm1", "volumes": [ { "name": "vol1", "size": 10485760 } ] } ] }
END
sim_start main "$d/sim.json"
cat >"$d/idle.lua" <<'END'
local http, log = require "engine.http", require "engine.log"
local ontap, task = require "engine.ontap", require "std.task"
local url, ca, api, retries, wait = ...
log.open { quiet = true }
local client = assert(ontap.new { name = "filer", host = "127.0.0.1", port = tonumber(url:match "%d+$"), svm = "svm1",
  user = "admin", password = "secret", ca_file = ca, api = api, retries = tonumber(retries), max_requests = 32 })
local calls = {}
for i = 1, 32 do
  calls[i] = function() assert(client:volumes()) end
  calls[32 + i] = function() assert(http.request(url .. "/sim/requests", { method = "DELETE", ca_file = ca })) end
end
task.all(calls)
task.sleep(tonumber(wait))
if retries == "0" then assert(client:snapshot_create("vol1", "after")) end
print("volumes: " .. #assert(client:volumes()))
END
# shellcheck disable=SC2154,SC2317  # sim_start sets URL_main; check_exit calls it
idle() { "$build/moonsnap" run "$d/idle.lua" "$URL_main" "$d/root/.ontapsim/cert.pem" "$@"; }

check_exit 'a snapshot after a wait that ends every connection' 0 idle rest 0 5
check_eq 'and a list' "$(cat "$OUT")" 'volumes: 1'
check_exit 'closed sooner than any server that is known does: the list is sent again' 0 idle zapi 1 3.5
check_eq 'over a new connection' "$(cat "$OUT")" 'volumes: 1'
sim_stop main
finish
