--- `moonsnap test FILE_test.lua ...`: run test files, each in a process of its own.
-- @module std.tester

local file = require "engine.file"
local json = require "engine.json"
local process = require "engine.process"
local err = require "std.err"

local tester = {}

local LIMIT = 600 -- seconds for one file

-- Of the output of a file that passes only this is shown.
local function brief(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    if line:find("^skipped: ") or line:find("^never came about: ") then lines[#lines + 1] = "  " .. line end
  end
  return table.concat(lines, "\n")
end

local function run_file(path, env, verbose)
  local out, failed = process.run({ process.realpath("/proc/self/exe"), "run", path },
    { env = env, timeout = LIMIT, reads = true })
  if not out then return nil, failed end
  local passed, wrong, skipped = out.stdout:match("(%d+) passed, (%d+) failed, (%d+) skipped%s*$")
  local row = { file = path, passed = tonumber(passed) or 0, failed = tonumber(wrong) or 1, skipped = tonumber(skipped) or 0 }
  if not passed then
    row.problem = out.timed_out and ("was ended after %d s"):format(LIMIT) or "did not end with return t.done()"
  elseif out.status ~= 0 and row.failed == 0 then
    row.failed, row.problem = 1, "ended with exit code " .. tostring(out.status or out.signal)
  end
  row.output = (row.failed > 0 or verbose) and (out.stdout .. out.stderr):gsub("\n+$", "") or brief(out.stdout)
  return row
end

--- Run the files of the command line and print what came of them.
-- @tparam table opts words from the second one on are files; qemu: guests are real ones, at `--libvirt-uri`
-- @treturn[1] integer exit code: 0, or 1 when something failed
-- @return[2] nil
-- @treturn[2] Err exit 2: there is no such file
function tester.main(opts)
  local files = table.move(opts.words, 2, #opts.words, 1, {})
  if #files == 0 then return nil, err.new("invalid", "test needs files: moonsnap test FILE_test.lua ...", { exit = 2 }) end
  local env = {}
  for _, name in ipairs { "MOONSNAP_ONTAPSIM", "MOON_TEST_TMP", "TMPDIR", "XDG_RUNTIME_DIR" } do
    local value = os.getenv(name)
    if value then env[#env + 1] = name .. "=" .. value end
  end
  local uri = opts["libvirt-uri"] or opts.qemu and "qemu:///session"
  if uri then env[#env + 1] = "MOONSNAP_TEST_URI=" .. uri end
  local rows, failed, passed, skipped = {}, 0, 0, 0
  for i, path in ipairs(files) do
    local found, problem = file.stat(path)
    if not found then
      problem.exit = 2
      return nil, problem
    end
    local row
    row, problem = run_file(path, env, opts.verbose)
    if not row then return nil, problem end
    rows[i] = row
    passed, failed, skipped = passed + row.passed, failed + row.failed, skipped + row.skipped
    if not opts.json then
      if row.output ~= "" then print(row.output) end
      print(("%s %s: %d passed, %d failed%s"):format(row.failed == 0 and "ok    " or "FAILED", path, row.passed, row.failed,
        row.problem and " (" .. row.problem .. ")" or ""))
    end
  end
  if opts.json then print(json.encode(rows, true))
  elseif #files > 1 then print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped)) end
  return failed == 0 and 0 or 1
end

return tester
