--- Support information of a profile in one archive. Nothing in it is secret: configs are redacted by what their keys
-- mean, and every password that any of them holds is blacked out in all files.
-- tar makes the archive: it is part of every Linux distribution's base, where zip is not, and needs no library here.
-- @module std.scdump

local file = require "engine.file"
local mount = require "engine.mount"
local multipath = require "engine.multipath"
local virt = require "engine.virt"
local config = require "std.config"
local connect = require "std.connect"
local devices = require "std.devices"
local err = require "std.err"
local jobs = require "std.jobs"
local log = require "std.log"
local process = require "std.process"
local program = require "engine.process"
local redact = require "std.redact"
local report = require "std.report"

local scdump = {}

local MAX_LOG = 16 << 20 -- bytes of one log, from its end
local PACK_LIMIT = 600   -- seconds for tar

local function failed_with(what, cause)
  return nil, err.coded("scf-00059", what, cause, { exit = 1 })
end

-- What could not be had is said in the archive and on the console, and keeps nothing from being collected.
local function lacks(dump, what, cause)
  dump.missing[#dump.missing + 1] = ("%s: %s"):format(what, tostring(cause))
  log.warn("scdump goes on without it: %s: %s", what, cause)
end

local function add(dump, name, text)
  dump.files[#dump.files + 1] = { name = name, text = text }
end

-- Names below a directory that end so; those of a directory that is not there are none.
local function names(dump, dir, ending)
  local list, failed = file.list(dir)
  if not list and failed.code ~= "not_found" then lacks(dump, dir, failed) end
  local found = {}
  for _, name in ipairs(list or {}) do
    if name:find(ending) and not name:find("/") then found[#found + 1] = name end
  end
  return found
end

local function add_config(dump, path, name, without_secrets)
  local text, failed = file.read(path)
  if not text then
    if failed.code ~= "not_found" then lacks(dump, path, failed) end
    return
  end
  local clean, secrets = without_secrets(text)
  for _, secret in ipairs(secrets) do log.secret(secret) end
  add(dump, "configs/" .. name, clean)
end

local function add_configs(dump, dirs)
  local dir = ("%s/%s"):format(dirs.config, dump.profile)
  for _, name in ipairs(names(dump, dir, "%.conf$")) do
    add_config(dump, dir .. "/" .. name, dump.profile .. "/" .. name, redact.config)
    local cfg, failed
    if name ~= "global.conf" then
      cfg, failed = config.load { profile = dump.profile, config = dir .. "/" .. name, config_dir = dirs.config,
        key_file = dump.key_file, state_dir = dirs.state }
    end
    if cfg then
      for _, secret in ipairs(cfg.secrets) do log.secret(secret) end
      dump.configs[#dump.configs + 1] = { name = (name:gsub("%.conf$", "")), cfg = cfg }
    elseif failed then
      lacks(dump, "config " .. name, failed)
    end
  end
  add_config(dump, dirs.config .. "/global.conf", "global.conf", redact.config)
  for _, one in ipairs { { dir .. "/policies", dump.profile .. "/policies" }, { dirs.config .. "/policies", "policies" } } do
    for _, name in ipairs(names(dump, one[1], "%.policy$")) do
      add_config(dump, one[1] .. "/" .. name, one[2] .. "/" .. name, redact.config)
    end
  end
  add_config(dump, dirs.config .. "/allowed_commands.config", "allowed_commands.config", redact.commands)
end

-- The end of a log, from the beginning of a line.
local function tail(path)
  local stat, failed = file.stat(path)
  if not stat then return nil, failed end
  if stat.size <= MAX_LOG then return file.read(path) end
  local text
  text, failed = file.read(path, { offset = stat.size - MAX_LOG, count = MAX_LOG })
  if not text then return nil, failed end
  return ("(the first %d bytes are left out)\n"):format(stat.size - MAX_LOG) .. text:gsub("^[^\n]*\n", "", 1)
end

local function add_logs(dump, dirs)
  local function take(dir, name)
    local text, failed = tail(dir .. "/" .. name)
    if text then add(dump, "logs/" .. name, redact.log(text)) else lacks(dump, dir .. "/" .. name, failed) end
  end
  local dir = ("%s/%s"):format(dirs.log, dump.profile)
  for _, name in ipairs(names(dump, dir, "%.log$")) do take(dir, name) end
  for _, name in ipairs(names(dump, dirs.log, "^guard%.log$")) do take(dirs.log, name) end
end

local function hosts(dump)
  local rows, seen = {}, {}
  for _, one in ipairs(dump.configs) do
    local uri = one.cfg:get("KVM_LIBVIRT_URI")
    if not seen[uri] then
      seen[uri] = true
      local conn, failed = virt.open(uri)
      local info
      if conn then info, failed = conn:info() end
      rows[#rows + 1] = info and { uri, info.daemon, info.libvirt, info.hypervisor .. " " .. info.hypervisor_version }
        or { uri, tostring(failed) }
    end
  end
  return report.table({ "LIBVIRT", "DAEMON", "LIBRARY", "HYPERVISOR" }, rows)
end

-- One login for each controller and user, whatever number of configs has it: a refused one must not lock the account.
local function controllers(dump)
  local rows, seen = {}, {}
  for _, one in ipairs(dump.configs) do
    local list, failed = connect.all { opts = {}, cfg = one.cfg }
    if not list then lacks(dump, "controllers of config " .. one.name, failed) end
    for _, controller in ipairs(list or {}) do
      local key = ("%s %s"):format(controller.host, controller.options.user or controller.options.cert)
      if not seen[key] then
        seen[key] = true
        local identity, problem = controller.client:identity()
        rows[#rows + 1] = { controller.name, controller.host, identity and (identity.version or "not told") or "-",
          identity and identity.transport or "-", problem and tostring(problem) or "" }
      end
    end
  end
  return report.table({ "CONTROLLER", "ADDRESS", "ONTAP", "OVER", "PROBLEM" }, rows)
end

local function mounts(dump)
  local first = dump.configs[1]
  local list, failed = mount.list { mountinfo = first and first.cfg:get("KVM_MOUNTINFO") or nil }
  if not list then return lacks(dump, "mounts", failed) end
  local rows = {}
  for i, m in ipairs(list) do rows[i] = { m.mountpoint, m.fstype, m.source } end
  add(dump, "mounts.txt", report.table({ "MOUNT POINT", "TYPE", "SOURCE" }, rows) .. "\n")
end

local function maps(dump)
  local first = dump.configs[1]
  local list, failed = multipath.list(first and devices.where { cfg = first.cfg } or {})
  if not list then return lacks(dump, "multipath maps", failed) end
  local rows = {}
  for _, map in ipairs(list) do
    rows[#rows + 1] = { map.name, map.wwid, map.vendor, map.product, report.size(map.size), ("%s of %d paths usable")
      :format(map.usable or "?", #(map.paths or {})) }
    for _, path in ipairs(map.paths or {}) do
      rows[#rows + 1] = { "", path.device, path.hctl, path.state, "", path.access }
    end
  end
  add(dump, "multipath.txt", report.table({ "MAP", "WWID OR PATH", "VENDOR", "PRODUCT", "SIZE", "PATHS" }, rows) .. "\n")
end

local function job_table(dump, dirs)
  local list, failed = jobs.list(dirs, { profile = dump.profile })
  if not list then return lacks(dump, "jobs", failed) end
  local rows = {}
  for i, job in ipairs(list) do
    rows[i] = { job.id, job.config, job.action, job.policy,
      job.started and os.date("%Y-%m-%d %H:%M:%S", job.started), job.state, job.detail }
  end
  add(dump, "jobs.txt", report.table({ "JOB", "CONFIG", "ACTION", "POLICY", "START", "STATE", "DETAIL" }, rows) .. "\n")
end

local function overview(dump, dirs)
  local function text_of(path)
    local text, failed = file.read(path)
    if not text then lacks(dump, path, failed) end
    return text or "?\n"
  end
  local parts = { ("moonsnap %s, host %s, profile %s"):format(program.version(), program.self().host, dump.profile),
    ("config %s, state %s, logs %s, run %s"):format(dirs.config, dirs.state, dirs.log, dirs.run),
    "", text_of("/proc/version"), text_of("/etc/os-release"), hosts(dump), "", controllers(dump) }
  local scripts = names(dump, ("%s/%s"):format(dirs.config, dump.profile), "%.lua$")
  table.move(names(dump, dirs.config .. "/scripts", "%.lua$"), 1, 999, #scripts + 1, scripts)
  parts[#parts + 1] = "\nscripts of the site (their text is left out): "
    .. (#scripts > 0 and table.concat(scripts, ", ") or "none")
  return parts
end

--- Collect it. Asks libvirt and each controller of the profile's configs once; what does not answer is noted.
-- @tparam table ctx of a workflow of scope "profile"
-- @treturn[1] {profile=string,name=string,files={{name=,text=},...},missing={string,...}} texts are redacted
-- @return[2] nil
-- @treturn[2] Err `invalid`, `not_found`, exit 2: there is no such profile
function scdump.collect(ctx)
  local dirs, profile = ctx.dirs, ctx.opts.profile
  if not profile:find("^[%a_][%w_]*$") then
    return nil, err.new("invalid", ("profile '%s' is not a valid name"):format((profile:gsub("%c", "?"))), { exit = 2 })
  end
  local there, failed = file.list(("%s/%s"):format(dirs.config, profile))
  if not there then
    failed.exit = 2
    return nil, failed
  end
  local dump = { profile = profile, name = ("scdump_%s_%s"):format(profile, ctx.stamp), files = {}, missing = {},
    configs = {}, key_file = ctx.opts["key-file"] }
  add_configs(dump, dirs)
  add_logs(dump, dirs)
  mounts(dump)
  maps(dump)
  job_table(dump, dirs)
  local parts = overview(dump, dirs)
  parts[#parts + 1] = "\nnot collected: " .. (#dump.missing > 0 and "\n  " .. table.concat(dump.missing, "\n  ") or "nothing")
  add(dump, "scdump.txt", table.concat(parts, "\n") .. "\n")
  -- Last, since every config had to be read before all passwords are known.
  for _, one in ipairs(dump.files) do one.text = log.redact((one.text:gsub("\0", "?"))) end
  return dump
end

-- Made while the archive is, and gone with the run. After a crash it is left behind, readable by its owner only.
local function work_dir(ctx, dump)
  local dir = ("%s/.%s"):format(ctx.dirs.state, dump.name)
  local made = {}
  ctx:own(setmetatable({}, { __close = function()
    if ctx.dry_run then return end
    for i = #made, 1, -1 do
      local ok, failed = file.remove(made[i])
      if not ok and failed.code ~= "not_found" then log.warn("%s", failed) end
    end
  end }))
  return dir, made
end

local function stage(dump, dir, made)
  local seen = {}
  local function make(path)
    if seen[path] then return true end
    local ok, failed = file.mkdirs(path)
    if not ok then return nil, failed end
    seen[path] = true
    made[#made + 1] = path
    return true
  end
  local ok, failed = make(dir)
  if ok then ok, failed = make(dir .. "/" .. dump.name) end
  for _, one in ipairs(ok and dump.files or {}) do
    local below = ("%s/%s"):format(dir, dump.name)
    for part in one.name:gmatch("([^/]+)/") do
      below = below .. "/" .. part
      ok, failed = make(below)
      if not ok then return nil, failed end
    end
    local path = ("%s/%s/%s"):format(dir, dump.name, one.name)
    made[#made + 1] = path
    ok, failed = file.replace(path, one.text, { mode = 384 })
    if not ok then return nil, failed end
  end
  if not ok then return nil, failed end
  return true
end

--- Write the archive into the state directory, mode 0600. It has its name only when it is complete.
-- @tparam table ctx
-- @tparam table dump of `collect`
-- @treturn[1] string its path
-- @return[2] nil
-- @treturn[2] Err scf-00059
function scdump.pack(ctx, dump)
  local archive = ("%s/%s.tar.gz"):format(ctx.dirs.state, dump.name)
  local dir, made = work_dir(ctx, dump)
  local partial = dir .. "/archive"
  local ok, failed = stage(dump, dir, made)
  if ok then
    made[#made + 1] = partial
    ok, failed = file.replace(partial, "", { mode = 384 }) -- tar keeps the rights of a file that is there
  end
  if ok then
    ok, failed = process.run({ "tar", "--create", "--gzip", "--file", partial, "--directory", dir, "--", dump.name },
      { timeout = PACK_LIMIT })
  end
  if ok then
    ok, failed = process.run({ "mv", "--no-target-directory", "--", partial, archive }, { timeout = PACK_LIMIT })
  end
  if not ok then return failed_with(archive, failed) end
  return archive
end

return scdump
