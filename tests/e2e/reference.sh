#!/bin/bash
# Every example of the reference (`@usage`) is run as it stands, with libvirt's test driver and a simulated controller.
# In an example `conn`, `dom`, `client`, `host`, `port`, `user`, `password`, `url`, `ca_file` and `dir` are there.
set -euo pipefail
MOON_BUILD=${1:-build}
# shellcheck source=../lib/check.sh
. "$(dirname "$(realpath "$0")")/../lib/check.sh"
# shellcheck source=../lib/world.sh
. "$(dirname "$(realpath "$0")")/../lib/world.sh"
requires curl jq
world_up "" bare
sim_start

cat >"$WORLD_DIR/usage.lua" <<'LUA'
local port, ca_file, dir = ...
local doc = require "std.doc"
local t = require "std.test"
local file = require "engine.file"
require("engine.log").open { quiet = true }

local function world(name)
  local conn = assert(require("engine.virt").open("test:///default"))
  local own = ("%s/%s"):format(dir, (name:gsub("%W", "_")))
  assert(file.mkdirs(own))
  return setmetatable({
    conn = conn, dom = conn:domain(assert(conn:lookup("test"))), dir = own,
    client = assert(require("engine.ontap").new { host = "127.0.0.1", port = tonumber(port), user = "vsadmin",
      password = "secret", ca_file = ca_file }),
    host = "127.0.0.1", port = tonumber(port), user = "vsadmin", password = "secret", ca_file = ca_file,
    url = ("https://127.0.0.1:%s/sim/requests"):format(port), print = function() end,
  }, { __index = _G })
end

local modules = {}
for _, entry in ipairs(doc.index().entries) do
  for i, usage in ipairs(entry.usage or {}) do
    modules[entry.module] = true
    local name = entry.name .. (i > 1 and " " .. i or "")
    t.case(name, function()
      local chunk = assert(load(usage, "=" .. name, "t", world(name)))
      chunk()
      print("ran " .. name)
    end)
  end
end
t.case("every module of primitives has an example", function()
  for _, module in ipairs(doc.index().modules) do
    if module.name:find("^engine%.") then t.ok(modules[module.name], module.name) end
  end
end)
return t.done()
LUA
check_exit 'every example of the reference runs' 0 timeout 120 "$MOONSNAP" run "$WORLD_DIR/usage.lua" "$SIM_PORT" "$SIM_CA" "$WORLD_DIR/own"
check 'there are examples' test "$(grep -c '^ran ' "$OUT")" -ge 40
check_no_match 'none is skipped' "$OUT" '^skipped'

if command -v ldoc >/dev/null; then
  cp -r "$MOON_BUILD/doc" "$WORLD_DIR/doc" && rm -rf "$WORLD_DIR"/doc/{src,html} && mkdir "$WORLD_DIR/doc/src"
  check 'the index as LDoc comments' "$MOON_BUILD/doc/host" "$(dirname "$0")/../../engine/doc/ldoc.lua" "$WORLD_DIR/doc/index.lua" \
    "$WORLD_DIR/doc/src"
  check 'LDoc makes HTML of it without a warning' env -C "$WORLD_DIR/doc/src" ldoc -q --fatalwarnings -c config.ld -d ../html .
  html=$(cat "$WORLD_DIR"/doc/html/modules/*.html | grep -c '<a name = "')
  check_eq 'every function is in the HTML' "$html" "$(grep -Ec '^-- @(function|table) ' <(cat "$WORLD_DIR"/doc/src/*.lua))"
  check 'there are some' test "$html" -ge 400
else
  skip 'HTML of the reference' 'needs ldoc (make doc installs it)'
fi
finish
