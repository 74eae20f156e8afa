-- What may leave the house: configs and logs without secrets.
local redact = require "std.redact"
local t = require "std.test"

t.case("a config that may be shown", function()
  local clean, secrets = redact.config(table.concat({ "SNAME=demo", "NTAP_USERS = c1:user/geheim1;c2:u2/gehe;im2", "",
    "# the password is geheim3", "#NTAP_USERS=c1:user/geheim4", "OUR_TOKEN=geheim5", "PRE_NTAP_CMD01=/bin/tell --pw geheim6",
    "POST_NTAP_CMD01=/bin/tell", "KVM_LIBVIRT_URI=qemu+tcp://me:geheim7@host/system", "geheim8", "ntap_users=c1:u/geheim9",
    "CMODE_CLUSTER_USERS=", "OM_PWD=geheim0" }, "\r\n"))
  t.ok(not clean:find("gehe", 1, true), clean)
  for _, line in ipairs { "SNAME=demo", "NTAP_USERS=********", "OUR_TOKEN=********", "PRE_NTAP_CMD01=/bin/tell ********",
    "POST_NTAP_CMD01=/bin/tell", "KVM_LIBVIRT_URI=qemu+tcp://me:********@host/system", "CMODE_CLUSTER_USERS=",
    "OM_PWD=********" } do
    t.ok(("\n" .. clean):find("\n" .. line .. "\n", 1, true), line)
  end
  local known = {}
  for _, secret in ipairs(secrets) do known[secret] = true end
  for _, secret in ipairs { "geheim1", "geheim4", "geheim0" } do t.ok(known[secret], secret) end
  t.eq(select(2, clean:gsub("\n", "")), 13)
  for _, secret in ipairs { "geheim6", "--pw geheim6" } do t.ok(known[secret], secret) end
  local commands, more = redact.commands("command: /bin/tell --pw=geheim SNAP_TIME backup\n# geheim\nother: geheim\n"
    .. "command: /bin/x")
  t.eq(commands, "command: /bin/tell ********\ncommand: /bin/x\n")
  t.eq(more[2], "geheim")
end)

t.case("a log that may be shown", function()
  local at = "[Wed Mar  5 14:17:13 2014] "
  t.eq(redact.log(at .. "INFO: one\n" .. at .. "CMD: [/bin/tell --pw geheim] finished with exit code: [3] stdout: [geheim\n"
    .. "geheim INFO: x\n] stderr: []\n" .. at .. "WARN: two\n  and more\n"),
    at .. "INFO: one\n" .. at .. "CMD: [/bin/tell ********] finished with exit code: [3]\n" .. at
    .. "WARN: two\n  and more\n")
  t.eq(redact.log("no time\n"), "no time\n")
end)

return t.done()
