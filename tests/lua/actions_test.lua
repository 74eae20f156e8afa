-- Actions: every one of Snap Creator's is there or refused with a reason; menus.
local file = require "engine.file"
local process = require "engine.process"
local menu = require "std.menu"
local options = require "std.options"
local refused = require "std.refused_actions"
local selection = require "std.selection"
local t = require "std.test"
local workflow = require "std.workflow"

local reference = {}
for line in file.read("tests/data/actions/reference.txt"):gmatch("[^\n]+") do
  if not line:find("^#") then reference[#reference + 1] = line end
end

t.case("every action of the reference works or is refused, and none is both", function()
  t.ok(#reference > 60, #reference)
  for _, name in ipairs(reference) do
    local shipped, row = process.shipped(("scripts/%s.lua"):format(name)), refused.find(name)
    t.ok(shipped or row, name)
    t.ok(not (shipped and row), name)
  end
end)

t.case("every action that works has an end-to-end test over both transports", function()
  local text = file.read("tests/e2e/transports.sh")
  for _, name in ipairs(reference) do
    t.ok(refused.find(name) or text:find("\nact_" .. name .. "() {", 1, true), name)
  end
end)

t.case("every refusal says why in one line", function()
  local count = 0
  for _, group in ipairs(refused.all()) do
    t.ok(#group.reason > 20 and not group.reason:find("\n"), group.reason)
    for _, name in ipairs(group.actions) do
      count = count + 1
      t.eq(refused.find(name).reason, group.reason)
    end
  end
  t.ok(count > 40, count)
  t.eq(refused.find("backup"), nil)
  t.eq(refused.find("userListForProfile").reason, refused.find("userAdd").reason)
  t.raises(function() refused.find(nil) end, "must be a string")
end)

t.case("every shipped script loads, under its own name", function()
  for _, name in ipairs { "agentStatus", "backup", "backupDel", "backupList", "custom", "discover", "dpstatus", "jobStatus",
    "pingAgent", "pingController", "policyList", "quiesce", "restore", "scdump", "unquiesce", "volumeList" } do
    t.eq(workflow.load_shipped(name).action, name)
  end
end)

t.case("a workflow says what it is about", function()
  t.raises(function() workflow { action = "a", summary = "s", phases = {}, scope = "world" } end, "no scope 'world'")
  t.raises(function() workflow { action = "a", summary = "s", phases = {}, scope = "host", lock = true } end,
    "only a config has a lock")
  t.ok(workflow { action = "a", summary = "s", phases = {}, scope = "profile" })
end)

t.case("options of Snap Creator's that no action here takes", function()
  t.eq(options.parse({ "policyAdd", "--policyName", "x" }).foreign, "policyName")
  t.eq(options.parse({ "backup", "--policy", "x" }).foreign, nil)
  t.eq(options.parse({ "pingAgent", "--agentName", "h", "--agentPort", "9090" }).agentName, "h")
  t.eq(options.parse({ "backup", "--user_defined", "x y" }).user_defined, "x y")
  for _, name in ipairs { "credentials", "setup", "upgradeConfigs" } do
    local opts, failed = options.parse { "--" .. name }
    t.eq(opts, nil)
    t.ok(failed.message:find("--" .. name .. " is refused: ", 1, true), failed.message)
    t.eq(failed.exit, 2)
  end
end)

t.case("answers to a menu", function()
  t.eq(menu.parse("2", 3), { 2 })
  t.eq(menu.parse("3,1", 3, true), { 1, 3 })
  t.eq(menu.parse(" 1 - 2 , 2", 3, true), { 1, 2 })
  t.eq(menu.parse("ALL", 3, true), { 1, 2, 3 })
  for answer, text in pairs { ["0"] = "'0' is not between 1 and 3", ["4"] = "'4' is not between", ["x"] = "'x' is no number",
    ["1,,2"] = "'' is no number", ["-1"] = "'-1' is no number", ["3-1"] = "'3-1' is not between",
    ["99999999999999999999"] = "no number", ["1.0"] = "no number", ["1-"] = "no number" } do
    local list, wrong = menu.parse(answer, 3, true)
    t.eq(list, nil, answer)
    t.ok(wrong:find(text, 1, true), wrong)
  end
  local list, wrong = menu.parse("1,2", 3)
  t.eq(list, nil)
  t.eq(wrong, "choose one")
  t.eq(select(2, menu.parse("all", 3)), "'all' is no number of the menu")
end)

local RECORD = { snapshot = "s-daily_20260101000000", guests = {
  { name = "one", disks = { { target = "vda", controller = "c1", volume = "v1", path = "/vol/v1/one.img", file = "one.img",
    source = "/mnt/v1/one.img" } } },
  { name = "two", disks = {
    { target = "vda", controller = "c1", volume = "v1", path = "/vol/v1/d/two.img", file = "d/two.img" },
    { target = "vdb", controller = "c1", volume = "v2", path = "/vol/v2/two.img", file = "two.img" } } },
  { name = "three", disks = { { target = "vda", controller = "c2", volume = "v1", path = "/vol/v1/one.img",
    file = "one.img" } } },
} }

local function guests(opts, listed)
  opts.nonInteractive = true
  return selection.guests({ opts = opts, config_name = "c", action = "restore",
    cfg = { get = function(_, name) return name == "KVM_RESTORE_VM_LIST" and listed or nil end } }, RECORD)
end

t.case("guests by the names of their disks", function()
  t.eq(guests({ fileNames = "/vol/v1/one.img" }), { "one", "three" })
  t.eq(guests({ fileNames = "/vol/v1/one.img", cntName = "c1" }), { "one" })
  t.eq(guests({ fileNames = "one.img", cntName = "c2", volName = "v1" }), { "three" })
  t.eq(guests({ fileNames = "/one.img, d/two.img,/vol/v2/two.img", cntName = "c1" }), { "one", "two" })
  t.eq(guests({ fileNames = "/mnt/v1/one.img" }), { "one" })
  t.eq(guests({ fileNames = "/vol/v1/one.img" }, { "three" }), { "three" })
  t.eq(guests({ cntName = "c2" }, { "three" }), { "three" })
  t.eq(guests({}, { "three", "one" }), { "three", "one" })
  t.eq(guests({ volName = "v1", cntName = "c1" }, { "gone", "one" }), { "gone", "one" })
end)

t.case("and what cannot be meant by them", function()
  local function wrong(opts, listed, text)
    local names, failed = guests(opts, listed)
    t.eq(names, nil)
    t.eq(failed.exit, 2)
    t.ok(failed.message:find(text, 1, true), failed.message)
  end
  wrong({ fileNames = "/vol/v1/none.img" }, nil, "'/vol/v1/none.img' is the disk of no guest in backup s-daily_20260101000000")
  wrong({ fileNames = "/vol/v1/one.img", volName = "v2" }, nil, "on --cntName/--volName")
  wrong({ fileNames = "/vol/v2/two.img" }, nil, "guest 'two' also has disk vda, c1:/vol/v1/d/two.img, which --fileNames leaves")
  wrong({ volName = "v1" }, { "two" }, "guest 'two' also has disk vdb, c1:/vol/v2/two.img, which --cntName/--volName leaves")
  wrong({ cntName = "c2" }, { "one" }, "no guest of KVM_RESTORE_VM_LIST")
  wrong({ cntName = "c1", volName = "v1" }, nil, "ask for a restore of the whole volume")
  wrong({}, nil, "KVM_RESTORE_VM_LIST is not set; write --params KVM_RESTORE_VM_LIST=NAME,... with guests of this backup: "
    .. "one,two,three")
end)

return t.done()
