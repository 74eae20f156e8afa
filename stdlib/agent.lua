--- What stands in the place of Snap Creator's agent: this program, libvirt, and the guard process.
-- @module std.agent

local file = require "engine.file"
local guard = require "engine.guard"
local mount = require "engine.mount"
local plan = require "engine.plan"
local process = require "engine.process"
local virt = require "engine.virt"
local config = require "std.config"
local err = require "std.err"
local log = require "std.log"
local recover = require "std.recover"
local report = require "std.report"

local agent = {}

local DEFAULT_URI = "qemu:///system"
local PROBE_LIMIT = 60 -- seconds after which a guard that is only tried ends by itself

-- A row: {check=,status="ok"|"missing"|"warning",detail=,remedy=}.
local function add(rows, check, status, detail, remedy)
  rows[#rows + 1] = { check = check, status = status, detail = tostring(detail), remedy = remedy }
  return status == "ok"
end

-- The libvirt connection that the config names, or this host's.
local function uri_of(ctx)
  if ctx.opts["libvirt-uri"] then return ctx.opts["libvirt-uri"] end
  if not ctx.opts.config then return DEFAULT_URI end
  local cfg, failed = config.load { profile = ctx.opts.profile, config = ctx.opts.config, config_dir = ctx.dirs.config,
    params = ctx.opts.params, key_file = ctx.opts["key-file"], state_dir = ctx.dirs.state }
  if not cfg then return nil, failed end
  for _, secret in ipairs(cfg.secrets) do log.secret(secret) end
  return cfg:get("KVM_LIBVIRT_URI")
end

local function check_libvirt(ctx, rows)
  local conn, failed = virt.open(ctx.uri)
  local info
  if conn then info, failed = conn:info() end
  if not info then
    return add(rows, "libvirt", "missing", ("%s: %s"):format(ctx.uri, failed),
      "check that libvirtd runs and that this user may use it; KVM_LIBVIRT_URI or --libvirt-uri names another")
  end
  ctx.conn = conn
  return add(rows, "libvirt", "ok", ("%s: daemon %s, library %s, hypervisor %s %s"):format(ctx.uri, info.daemon,
    info.libvirt, info.hypervisor, info.hypervisor_version))
end

local function check_guests(ctx, rows)
  local list, failed = ctx.conn:list()
  if not list then return add(rows, "guests", "missing", failed, "check this user's rights at libvirt") end
  local running, paused = 0, {}
  for _, row in ipairs(list) do
    if row.state == "running" or row.state == "blocked" then running = running + 1 end
    if row.state == "paused" then paused[#paused + 1] = row.name end
  end
  local detail = ("%d defined, %d running"):format(#list, running)
  if #paused > 0 then detail = ("%s, paused: %s"):format(detail, table.concat(paused, ", ")) end
  return add(rows, "guests", "ok", detail)
end

-- A guard that guards nothing: started and ended, its journal with it.
local function check_guard(ctx, rows)
  if plan.active() then return add(rows, "guard process", "warning", "not tried in a dry run") end
  local dir = ctx.dirs.state .. "/journal"
  local ok, failed = file.mkdirs(dir)
  local probe
  if ok then
    probe, failed = guard.start { journal = ("%s/agent.status.%s.journal"):format(dir, ctx.id), uri = ctx.uri,
      profile = "agent", config = "status", action = ctx.action, deadline = PROBE_LIMIT }
  end
  local ended
  if probe then ended, failed = probe:finish() end
  if not ended then
    return add(rows, "guard process", "missing", failed,
      ("check the rights and the space in %s, and the limits on processes"):format(dir))
  end
  return add(rows, "guard process", "ok", "starts, reaches libvirt and ends")
end

-- Guests that somebody suspended. Those whose run and guard are both dead stand still until somebody comes.
local function check_journals(ctx, rows)
  local unreadable = {}
  local list, failed = recover.journals(ctx, unreadable)
  if not list then return add(rows, "suspended guests", "missing", failed, "check the rights on the state directory") end
  if #unreadable > 0 then
    ctx:worse(5)
    return add(rows, "suspended guests", "missing", unreadable[1], "look at the journal")
  end
  local lost, held = {}, {}
  for _, entry in ipairs(list) do
    local j = entry.journal
    for _, guest in ipairs(j.held) do
      local alive = j.engine_alive or j.guard_alive
      table.insert(alive and held or lost, ("%s (config %s)"):format(guest.name, j.config or "?"))
    end
  end
  if #lost > 0 then
    ctx:worse(5)
    return add(rows, "suspended guests", "missing", "left by a dead run: " .. table.concat(lost, ", "),
      "run moonsnap recover")
  end
  return add(rows, "suspended guests", "ok", #held > 0 and "by a run under way: " .. table.concat(held, ", ") or "none")
end

local function check_host(ctx, rows)
  local name, host = ctx.opts.agentName, process.self().host
  local here, failed = true, nil
  if name and name:lower() ~= host:lower() then here, failed = mount.is_local(name) end
  if here == nil then return nil, failed end
  if not here then
    return nil, err.new("unsupported", ("--agentName %s: there is no agent, and that is not this host (%s); run it there, "
      .. "or write --libvirt-uri qemu+ssh://%s/system"):format(name, host, name), { exit = 2 })
  end
  add(rows, "host", "ok", host)
  add(rows, "version", "ok", "moonsnap " .. process.version())
  return true
end

--- Look at this host. Asks for exit code 1 where something is missing, 5 where guests stand still that nobody
-- looks after.
-- @tparam table ctx of a workflow of scope "host"; its options may name a config for its KVM_LIBVIRT_URI
-- @tparam boolean thorough also guests, guard process and journals
-- @treturn[1] {{check=string,status="ok"|"missing"|"warning",detail=string,remedy=?string},...}
-- @return[2] nil
-- @treturn[2] Err exit 2: `unsupported` for another host's agent, or what is wrong with the config
function agent.look(ctx, thorough)
  local uri, failed = uri_of(ctx)
  if not uri then return nil, failed end
  ctx.uri = uri
  local rows, ok = {}
  ok, failed = check_host(ctx, rows)
  if not ok then return nil, failed end
  if check_libvirt(ctx, rows) and thorough then
    check_guests(ctx, rows)
    check_guard(ctx, rows)
  end
  if thorough then check_journals(ctx, rows) end
  for _, row in ipairs(rows) do
    if row.status == "missing" then ctx:worse(1) end
  end
  return rows
end

--- Look and print it.
-- @tparam table ctx
-- @tparam boolean thorough
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err as from `look`
function agent.report(ctx, thorough)
  local rows, failed = agent.look(ctx, thorough)
  if not rows then return nil, failed end
  local cells, remedies = {}, {}
  for i, row in ipairs(rows) do
    cells[i] = { row.check, row.status, row.detail }
    if row.remedy then remedies[#remedies + 1] = ("  %s: %s"):format(row.check, row.remedy) end
  end
  local text = report.table({ "CHECK", "RESULT", "DETAIL" }, cells)
  if #remedies > 0 then text = text .. "\n\nWhat to do:\n" .. table.concat(remedies, "\n") end
  report.print(ctx, rows, text)
  return true
end

return agent
