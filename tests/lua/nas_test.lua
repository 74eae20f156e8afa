-- Restores of files: what a failure says about the file, and rights that are lacking.
local err = require "std.err"
local log = require "std.log"
local nas = require "std.nas"
local ontap = require "std.ontap"
local privileges = require "std.privileges"
local t = require "std.test"

log.open { quiet = true }

local OBJECT = { controller = "c1", volume = "v1", path = "a.img", mapping = "/vol/v1/a.img" }

local function context(client, transport)
  local c = { name = "c1", client = client, transport = transport or "rest", svm = "svm9", options = { user = "backup" } }
  return { controllers = { c, c1 = c }, cfg = { get = function() return 5 end } }
end

local function restore(client, transport)
  return nas.restore(context(client, transport), OBJECT, "s1")
end

local function failing(code, source, native)
  return { file_restore = function() return nil, err.new(code, "told so", { source = source, native = native }) end }
end

t.case("a refusal leaves the file alone", function()
  for _, f in ipairs {
    { "not_found", "ontap", 13021 }, { "conflict", "ontap", 13043 }, { "no_space", "ontap", 13025 },
    { "io", "ontap", 13001 }, { "denied", "ontap", 13003 }, { "unsupported", "ontap", 13005 },      -- ONTAPI
    { "not_found", "ontap", 4 }, { "invalid", "ontap", 918251 }, { "conflict", "ontap", 9437885 },
    { "denied", "ontap", 6 }, { "not_found", "ontap", 0 }, { "denied", "http", 401 }, { "unsupported", "http", 404 }, -- REST
    { "denied", "http", 60 } } do
    local ok, failed = restore(failing(table.unpack(f)))
    t.err(ok, failed, f[1])
    t.eq({ failed.scf, failed.started }, { "STORAGE-02025", false }, f[1] .. f[3])
  end
end)

t.case("a restore that may have begun leaves it in doubt", function()
  for _, f in ipairs {
    { "io", "ontap", 13038 }, { "busy", "ontap", 15801 }, { "io", "ontap", 13114 },                -- ONTAPI
    { "io", "ontap", 524511 }, { "busy", "ontap", 1638532 }, { "io", "ontap", 917536 }, { "io", "ontap", 65541 }, -- REST
    { "io", "ontap", 0 }, { "timeout", "ontap", 0 }, { "io", "http", 500 }, { "io", "http", 502 }, { "busy", "http", 503 },
    { "timeout", "http", 28 }, { "unreachable", "http", 52 }, { "protocol", "ontap", 0 } } do
    local ok, failed = restore(failing(table.unpack(f)))
    t.err(ok, failed, f[1])
    t.eq(failed.started, true, f[1] .. f[3])
  end
end)

t.case("the job of a restore is what is asked for", function()
  local asked
  t.ok(restore { file_restore = function() return { job = "j1" } end,
    restore_status = function(_, o) asked = o return { running = 0 } end })
  t.eq(asked, { volume = "v1", path = "a.img", job = "j1" })
  local ok, failed = restore { file_restore = function() return { job = "j1" } end,
    restore_status = function() return nil, err.new("io", "it failed late", { source = "ontap", native = 524511 }) end }
  t.err(ok, failed, "io", "it failed late")
  t.eq({ failed.scf, failed.started }, { "kvm-00011", true })
end)

t.case("a refused call names the role's lack", function()
  local denied = { code = "denied", source = "ontap", native = 13003 }
  local function refused(transport)
    local _, failed = restore(failing(denied.code, denied.source, transport == "zapi" and 13003 or 6), transport)
    return tostring(failed)
  end
  t.ok(refused("zapi"):find("the role of user 'backup' lacks what it takes to restore files: security login role create "
    .. "-vserver svm9 -role ROLE -cmddirname \"volume snapshot restore-file\" -access all", 1, true), refused("zapi"))
  t.ok(refused("rest"):find("security login rest-role create -vserver svm9 -role ROLE -api "
    .. "\"/api/private/cli/volume/snapshot/restore-file\" -access all", 1, true), refused("rest"))
  local ctx = context({ snapshot_create = function() return nil, err.new("denied", "no", { source = "ontap", native = 6 }) end,
    snapshot_delete = function() return nil, err.new("denied", "no", { source = "ontap", native = 13003 }) end }, "zapi")
  ctx.cfg.get = function() return 4 end
  local _, failed = ontap.snapshot(ctx, { OBJECT }, "s1", { comment = "mine" })
  t.ok(tostring(failed):find("-cmddirname \"volume snapshot create\"", 1, true), tostring(failed))
  _, failed = ontap.delete(ctx, OBJECT, { name = "s1", uuid = "u" })
  t.ok(tostring(failed):find("-cmddirname \"volume snapshot delete\"", 1, true), tostring(failed))
end)

t.case("a refused login and other failures stay as they are", function()
  for _, e in ipairs { err.new("denied", "x", { source = "http", native = 401 }),
    err.new("denied", "x", { source = "ontap", native = 13002 }), err.new("busy", "x", { native = 13003 }) } do
    t.ok(rawequal(privileges.explain({ client = {} }, e, "restore files"), e))
  end
  t.raises(function() privileges.explain({}, err.new("denied", "x"), "fly") end, "there is no right 'fly'")
end)

t.case("a forced delete that the controller does not know is said once, then done without force", function()
  local calls = {}
  local ctx = context { snapshot_delete = function(_, _, name, o)
    calls[#calls + 1] = name .. (o.force and " forced" or "")
    if o.force then return nil, err.new("unsupported", "not before 9.19") end
    if name == "owned" then return nil, err.new("busy", "it has an owner") end
    return true
  end }
  t.ok(ontap.delete(ctx, OBJECT, { name = "a", uuid = "u" }, true))
  local ok, failed = ontap.delete(ctx, OBJECT, { name = "owned", uuid = "u" }, true)
  t.err(ok, failed, "busy")
  t.eq(calls, { "a forced", "a", "owned" })
end)

t.case("nothing that is tried can be carried out", function()
  local seen = {}
  local client = setmetatable({}, { __index = function(_, verb)
    return function(_, ...)
      seen[#seen + 1] = { verb, ... }
      return nil, err.new("denied", "no", { native = 6 })
    end
  end })
  local ON = { NTAP_CONSISTENCY_GROUP_SNAPSHOT = true, NTAP_SNAPMIRROR_UPDATE = true, NTAP_SNAPVAULT_UPDATE = true }
  local cfg = { get = function(_, name) return ON[name] or false end, raw = function() return "Y" end }
  local rights = privileges.all()
  for _, transport in ipairs { "zapi", "rest" } do
    local found = privileges.try({ client = client, transport = transport, version = "9.14.1" }, cfg, "vol1")
    local wanted = 0
    for _, right in ipairs(rights) do wanted = wanted + (right[transport] and 1 or 0) end
    t.eq(#found, wanted, transport)
    for _, row in ipairs(found) do t.eq(row.verdict, "denied", row.right.name) end
  end
  local READS = { identity = true, svms = true, lifs = true, volumes = true, snapshots = true, file_info = true,
    restore_status = true,
    luns = true, lun_maps = true, mirrors = true, mirror_policies = true, igroups = true, volume_clones = true }
  -- what can be made of it has no name, volume or SVM
  local function lacks_name(body)
    local lun = body.lun and body.lun.name == "-none-"
    return not body.name and not body.svm and (lun or body.comment == "-" or body.rules and #body.rules == 0)
  end
  local changes = 0
  for _, call in ipairs(seen) do
    if call[1] == "call" then
      changes = changes + 1
      -- no volume of that name can exist, or nothing is given of what the call must have
      t.ok(call[3] == nil and call[2] == "ems-autosupport-log" or call[3]:find("-no-such-volume-", 1, true)
        or call[3]:find("-none-", 1, true), call[2])
    elseif call[1] == "request" and call[2] ~= "GET" then
      changes = changes + 1
      local safe = call[3]:find("00000000-0000-0000-0000-000000000000", 1, true) or call[4].volume == "-no-such-volume-"
        or call[4].severity == "-none-" or lacks_name(call[4])
      t.ok(safe, call[3])
      t.ok(not call[3]:find("restore_to", 1, true), call[3]) -- nothing that could revert a volume
    elseif call[1] ~= "request" then
      t.ok(READS[call[1]], call[1])
    end
  end
  t.eq(changes, 37)
end)

return t.done()
