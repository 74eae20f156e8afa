--- Command line options, moonsnap's form and Snap Creator's.
-- @module std.options

local err = require "std.err"
local log = require "std.log"
local nearest = require "std.nearest"

local options = {}

-- name -> kind: flag, value, or list (all words up to the next option).
options.known = {
  action = "value", profile = "value", config = "value", policy = "value", params = "list",
  ["dry-run"] = "flag", json = "flag", verbose = "flag", quiet = "flag", debug = "flag", yes = "flag",
  nonInteractive = "flag", ["config-dir"] = "value", ["state-dir"] = "value", ["log-dir"] = "value",
  ["lib-dir"] = "value", ["libvirt-uri"] = "value", script = "value", backupName = "value", cntName = "value",
  volName = "value", fileNames = "value", user_defined = "value", help = "flag", version = "flag", verify = "flag",
  safety = "flag", qemu = "flag",
  ["key-file"] = "value", ["lua-tree"] = "value",
  -- Snap Creator's server and login: there is no server here, so they say nothing.
  server = "value", port = "value", user = "value", passwd = "value", agentName = "value", agentPort = "value",
}

-- Of Snap Creator's administrative actions, which are refused: read, so that the refusal is what is said.
for _, name in ipairs { "importFile", "exportFile", "policyType", "policyName", "primaryCount", "primaryAge", "secondaryCount",
  "secondaryAge", "schedId", "backupTypeId", "policies", "schedFreqId", "schedActionId", "schedMin", "schedHour",
  "schedDayOfWeek", "schedCron", "schedActive", "schedStartDate" } do
  options.known[name] = "foreign"
end

-- What they asked for without an action.
local REFUSED = {
  credentials = "no login is stored for a command line; NTAP_USERS of the config has the controllers'",
  setup = "there is no server to set up",
  upgradeConfigs = "configs need no new parameters; moonsnap check says what is wrong with one",
}

options.help = {
  { "--profile P, --config C", "which config: <config-dir>/P/C.conf; C may be a path" },
  { "--policy Y", "retention policy; becomes part of the snapshot's name" },
  { "--params K=V ...", "override or add parameters for this run (restore: KVM_RESTORE_VM_LIST=web1,web2)" },
  { "--backupName NAME", "the snapshot to restore or delete; without it a terminal shows a menu" },
  { "--cntName C, --volName V", "restore and backupDel: of that controller, of that volume" },
  { "--fileNames P1,P2", "restore: the guests whose disks these are, as /vol/VOLUME/FILE or within --volName" },
  { "--user_defined TEXT", "value of %USER_DEFINED in this run" },
  { "--dry-run", "change nothing; print what would be done" },
  { "--json", "one JSON document on stdout, {\"failed\": ...} after a failure" },
  { "--verbose, --debug, --quiet", "log on the console; all of it; neither warnings nor tables" },
  { "--yes, --nonInteractive", "do not ask before a disk is overwritten or a snapshot deleted" },
  { "--safety", "gc: also the safety snapshots of restores that did not end well" },
  { "--qemu", "test: real guests (qemu:///session, or --libvirt-uri) instead of libvirt's test driver" },
  { "--verify", "discover: compare with what NetApp's sanlun says" },
  { "--libvirt-uri URI", "instead of KVM_LIBVIRT_URI" },
  { "--config-dir, --state-dir, --log-dir DIR", "where files are" },
  { "--script FILE", "the workflow to run instead of the action's own" },
  { "--key-file FILE", "key of sealed passwords, instead of NTAP_PWD_KEY_FILE" },
  { "--lua-tree DIR", "LuaRocks tree that require looks into, instead of <config-dir>/rocks" },
  { "--lib-dir DIR", "library modules of this directory replace the built-in ones" },
}

-- Names of options, for one that is misspelt.
local function names()
  local list = {}
  for name in pairs(options.known) do list[#list + 1] = "--" .. name end
  table.sort(list)
  return list
end

--- The lines of help that are about some options.
-- @tparam {string,...} wanted names without dashes
-- @treturn {{string,string},...} what is written, and what it says; in the order of help
function options.rows(wanted)
  local rows = {}
  for _, row in ipairs(options.help) do
    for _, name in ipairs(wanted) do
      if row[1]:find("%-%-" .. name:gsub("%p", "%%%0") .. "%f[^%w-]") then
        rows[#rows + 1] = row
        break
      end
    end
  end
  return rows
end

local function wrong(format, ...)
  return nil, err.new("invalid", format:format(...) .. "; see moonsnap help", { exit = 2 })
end

--- Read the arguments.
-- @tparam {string,...} args
-- @treturn[1] table options by name, with `action`, `words` (what stands beside the options) and
--   `snapcreator` (the action was given by --action), `foreign` (name of an option that no action here takes)
-- @return[2] nil
-- @treturn[2] Err `invalid`, exit 2
function options.parse(args)
  local opts, i = { words = {} }, 1
  while i <= #args do
    local arg = args[i] == "-h" and "--help" or args[i]
    local name, value = arg:match("^%-%-([%w%-_]+)=(.*)$")
    name = name or arg:match("^%-%-?([%a][%w%-_]*)$")
    if not name then
      if arg:find("^%-") then return wrong("'%s' is not an option", arg) end
      opts.words[#opts.words + 1] = arg
    else
      local kind = options.known[name]
      if REFUSED[name] then return wrong("--%s is refused: %s", name, REFUSED[name]) end
      if not kind then return wrong("there is no option --%s%s", name, nearest.hint("--" .. name, names())) end
      if opts[name] ~= nil then return wrong("--%s is given twice", name) end
      if kind == "flag" then
        if value then return wrong("--%s takes no value", name) end
        opts[name] = true
      elseif kind == "value" or kind == "foreign" then
        if not value then
          i = i + 1
          value = args[i]
        end
        if not value or value == "" then return wrong("--%s needs a value", name) end
        opts[name] = value
        if kind == "foreign" then opts.foreign = opts.foreign or name end
      else
        local list = { value }
        while args[i + 1] and args[i + 1]:find("^[%w_]+=") do
          i = i + 1
          list[#list + 1] = args[i]
        end
        if #list == 0 then return wrong("--%s needs NAME=VALUE", name) end
        opts[name] = list
      end
    end
    i = i + 1
  end
  -- It says nothing here, and stands in old crontabs: a plan holds its command.
  if opts.passwd then log.secret(opts.passwd) end
  opts.snapcreator = opts.action ~= nil
  if opts.version then opts.action = "version" end
  if opts.help and not opts.action then
    opts.words[2] = opts.words[2] or opts.words[1]
    opts.action = "help"
    opts.words[1] = "help"
  end
  if not opts.action then
    opts.action = opts.words[1] or "help"
  end
  return opts
end

return options
