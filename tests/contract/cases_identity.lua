-- Who the controller is, its SVMs, LIFs and volumes.
local c = require "contract"

c.case { "identity: version, release, transport and why", run = function(w)
  local who = c.ok(w.client:identity())
  c.shape(who, { version = "string?", release = "string?", clustered = "boolean?", transport = w.transport,
    reason = "string?" })
  c.eq(who.version, w.profile.ontap)
  -- ONTAP's own text leaves out a last 0: "NetApp Release 9.5P3"
  c.ok(who.release:find("NetApp Release " .. who.version:gsub("%.0$", ""), 1, true), who.release)
end }

c.case { "auto takes ONTAPI where it answers, else REST, and says why", cell = function(w)
  return w.api ~= "auto" and "the transport was given" or nil
end, run = function(w)
  c.eq(w.transport, w.profile.zapi and "zapi" or "rest")
  local reason = c.ok(w.client:identity()).reason
  c.ok(reason:find("ONTAPI", 1, true), reason)
  if w.profile.name == "9.14.1" then c.ok(reason:find("61253", 1, true), reason) end
end }

c.case { "a transport that is not there says so", cell = function(w)
  return (w.transport or w.api == "auto") and "the transport is there" or nil
end, run = function(w)
  for _, call in ipairs { function() return w.client:identity() end, function() return w.client:volumes() end,
    function() return w.client:snapshot_create("plain", "s") end } do
    local value, e = call()
    c.eq(value, nil)
    c.ok(e.code == "unsupported" or e.code == "not_found", tostring(e))
    c.ok(tostring(e):find("ONTAP_API", 1, true) or tostring(e):find("ontapi", 1, true), "a remedy: " .. tostring(e))
  end
end }

c.case { "cluster: name and uuid to the cluster's administrator", run = function(w)
  local admin = w:connect { svm = false }
  local who = c.ok(admin:cluster())
  c.shape(who, { name = "cl1", uuid = c.uuid })
end }

c.case { "cluster: denied or unsupported to an SVM's login, or its name", run = function(w)
  local svm = w:connect { user = "vsadmin", svm = false }
  local who, e = svm:cluster()
  if who and w:is "rest" then return c.eq(who.name, "cl1") end   -- some accounts may read it there
  c.eq(who, nil)
  c.ok(e.code == "denied" or e.code == "unsupported", tostring(e))
end }

c.case { "svms: an SVM's login sees its own", run = function(w)
  local rows = c.ok(w:connect({ user = "vsadmin", svm = false }):svms())
  c.eq(c.column(rows), { "svm1" })
  c.shape(rows[1], { name = "svm1", uuid = c.uuid, type = "data", state = "running" })
end }

c.case { "svms: the cluster's administrator sees all, and one by name", run = function(w)
  local admin = w:connect { svm = false }
  local rows = c.ok(admin:svms())
  c.eq({ c.row(rows, "svm1").type, c.row(rows, "svm2").type }, { "data", "data" })
  c.eq(c.column(c.ok(admin:svms { name = "svm2" })), { "svm2" })
  c.eq(c.ok(admin:svms { name = "nobody" }), {})
end }

c.case { "lifs: address to SVM", run = function(w)
  local admin = w:connect { svm = false }
  local rows = c.ok(admin:lifs { address = "192.0.2.31" })
  c.eq(c.column(rows), { "lif3" })
  c.shape(rows[1], { name = "lif3", address = "192.0.2.31", svm = "svm2", protocols = function(list)
    table.sort(list)
    return table.concat(list, " ") == "iscsi nfs"
  end })
  c.eq(c.column(c.ok(admin:lifs())), { "lif1", "lif2", "lif3", "lif6" })
  c.eq(c.ok(admin:lifs { address = "192.0.2.99" }), {})
end }

c.case { "lifs: an IPv6 address", run = function(w)
  c.eq(c.column(c.ok(w:connect({ svm = false }):lifs { address = "fd00::1" })), { "lif6" })
  c.eq(c.column(c.ok(w:connect({ svm = false }):lifs { address = "FD00:0:0:0::1" })), { "lif6" })
end }

c.case { "volumes: every field, bytes, states and types", run = function(w)
  local rows = c.ok(w.client:volumes())
  local v = c.row(rows, "plain")
  c.shape(v, { name = "plain", uuid = c.uuid, svm = "svm1", junction = "/plain", type = "rw", style = "flexvol",
    state = "online", size = 1 << 30, available = "integer", used = "integer", svm_root = false })
  c.ok(v.used >= 0 and v.available <= v.size, "space")
  c.eq({ c.row(rows, "svm1_root").svm_root, c.row(rows, "mirrored").type, c.row(rows, "off").state,
    c.row(rows, "unmounted").junction }, { true, "dp", "offline", nil })
end }

c.case { "volumes: by name and by junction path; nothing found is an empty list", run = function(w)
  c.eq(c.column(c.ok(w.client:volumes { name = "deep" })), { "deep" })
  c.eq(c.column(c.ok(w.client:volumes { junction = "/plain/deep" })), { "deep" })
  c.eq(c.ok(w.client:volumes { name = "none" }), {})
  c.eq(c.ok(w.client:volumes { junction = "/none" }), {})
end }

c.case { "volumes: used follows what is written", run = function(w)
  local name, dir = w:volume()
  local before = c.ok(w.client:volumes { name = name })[1].used
  w.write(dir .. "/disk", w.bytes(1 << 20))
  local after = c.ok(w.client:volumes { name = name })[1].used
  c.ok(after - before >= 1 << 20, ("%d then %d"):format(before, after))
end }

c.case { "volumes: a tunnel to svm2 sees svm2's only", run = function(w)
  c.eq(c.column(c.ok(w:connect({ svm = "svm2" }):volumes { name = "only2" })), { "only2" })
  c.eq(c.ok(w:connect({ svm = "svm2" }):volumes { name = "plain" }), {})
end }

c.case { "volumes: an SVM's login needs no tunnel", run = function(w)
  local svm = w:connect { user = "vsadmin", svm = false }
  c.eq(c.column(c.ok(svm:volumes { name = "plain" })), { "plain" })
  c.eq(c.ok(svm:volumes { name = "only2" }), {})
end }

c.case { "an SVM that is not there is not found", run = function(w)
  local rows, e = w:connect({ svm = "nosvm" }):volumes()
  c.fails(rows, e, "not_found", "nosvm")
end }
