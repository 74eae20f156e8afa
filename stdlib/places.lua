--- Where the command line finds what it needs: directories, the LuaRocks tree, the script of an action.
-- @module std.places

local file = require "engine.file"
local process = require "engine.process"
local actions = require "std.actions"
local err = require "std.err"
local plans = require "std.plans"
local refused_actions = require "std.refused_actions"
local workflow = require "std.workflow"

local places = {}

--- The directories: as root without --state-dir the usual ones, else all below one.
-- @tparam table opts as `std.options` has them
-- @treturn {config=string,state=string,log=string,run=string} all but config are absolute
function places.directories(opts)
  local root = process.self().uid == 0 and not opts["state-dir"]
  -- Absolute, since the guard process works from the root directory.
  local function absolute(dir)
    if not dir or dir:sub(1, 1) == "/" then return dir end
    return process.realpath(".") .. "/" .. dir
  end
  local base = absolute(opts["state-dir"] or (os.getenv("HOME") or "/tmp") .. "/.moonsnap")
  return {
    config = opts["config-dir"] or (root and "/etc/moonsnap" or base .. "/etc"),
    state = root and "/var/lib/moonsnap" or base,
    log = absolute(opts["log-dir"]) or (root and "/var/log/moonsnap" or base .. "/log"),
    run = root and "/run/moonsnap" or base .. "/run",
  }
end

--- Let require look into a LuaRocks tree, after the script's own directory.
-- @tparam table opts `lua-tree`, a directory; not given: `rocks` of the config directory, if it is there
-- @tparam {config=string} dirs
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] Err `not_found`, exit 2: --lua-tree is no directory
function places.add_tree(opts, dirs)
  local tree = opts["lua-tree"] and process.realpath(opts["lua-tree"]) or dirs.config .. "/rocks"
  local found, failed = file.stat(tree)
  if opts["lua-tree"] and (not found or found.type ~= "dir") then
    return nil, err.new("not_found", ("--lua-tree %s: %s"):format(opts["lua-tree"], failed and failed.message
      or "is no directory"), { exit = 2 })
  end
  local base = tree .. "/share/lua/5.4/"
  if found and not package.path:find(base, 1, true) then
    package.path = ("%s;%s?.lua;%s?/init.lua"):format(package.path, base, base):gsub("^;", "")
  end
  return true
end

--- The workflow of an action: --script FILE, of the profile's directory, of the site's scripts, or the shipped one.
-- What a site's script requires is looked for beside it first.
-- @tparam string action
-- @tparam table opts `script`, `profile`; gets `source` (`std.plans.source`)
-- @tparam {config=string} dirs
-- @treturn[1] Workflow
-- @return[2] nil
-- @treturn[2] Err exit 2: no such action, one that is refused, a script that cannot be read or is none
function places.workflow(action, opts, dirs)
  local candidates = {}
  if opts.script then
    candidates[1] = opts.script
  else
    if not action:find("^%a[%w_]*$") then
      return nil, err.new("invalid", ("'%s' is not the name of an action; see moonsnap actions")
        :format(action), { exit = 2 })
    end
    if opts.profile then candidates[1] = ("%s/%s/%s.lua"):format(dirs.config, opts.profile, action) end
    candidates[#candidates + 1] = ("%s/scripts/%s.lua"):format(dirs.config, action)
  end
  for _, path in ipairs(candidates) do
    local text, failed = file.read(path)
    if text then
      local real = process.realpath(path)
      process.add_path(real:match("^(.*)/[^/]*$"))
      opts.source = plans.source(path, text)
      return workflow.compile(text, "@" .. path)
    end
    if opts.script or failed.code ~= "not_found" then
      failed.exit = 2
      return nil, failed
    end
  end
  local shipped = ("scripts/%s.lua"):format(action)
  if process.shipped(shipped) then
    opts.source = plans.source(shipped)
    return workflow.load_shipped(action)
  end
  local row = refused_actions.find(action)
  if row then
    return nil, err.new("unsupported", ("%s is refused: %s"):format(action, row.reason), { exit = 2, scf = row.scf })
  end
  return nil, actions.unknown(action)
end

return places
