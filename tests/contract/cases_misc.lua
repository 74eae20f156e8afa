-- The event log, and the raw calls.
local c = require "contract"

c.case { "ems_log: true", since = { rest = "9.11.1" }, run = function(w)
  c.eq(w.client:ems_log("moonsnap", "backup of web01 & web02 finished: \"ok\"", { level = 5, event = 7, host = "kvm1" }), true)
  for level = 0, 7 do c.eq(w.client:ems_log("moonsnap", "level", { level = level }), true) end
  c.eq(w.client:ems_log("moonsnap", "defaults"), true)
end }

c.case { "ems_log: unsupported over REST before 9.11.1, with the release that can", cell = function(w)
  if not w:is "rest" then return w.absent or "ONTAPI can" end
  if w.version >= 91101 then return "this release can" end
end, run = function(w)
  local value, e = w.client:ems_log("moonsnap", "text")
  c.fails(value, e, "unsupported", "9.11.1")
end }

c.case { "ems_log: a level that is none is invalid", since = { rest = "9.11.1" }, run = function(w)
  for _, level in ipairs { -1, 8 } do
    c.fails(nil, select(2, w.client:ems_log("moonsnap", "text", { level = level })), "invalid")
  end
end }

c.case { "call: a raw call's results as a tree", rest = "ONTAPI only", run = function(w)
  local tree = c.ok(w.client:call("system-get-ontapi-version"))
  c.eq(type(tree), "table")
  local value, e = w.client:call("no-such-call")
  c.fails(value, e, "unsupported", "no-such-call", 13005)
  c.fails(nil, select(2, w.client:call("volume-get-iter", "</volume-get-iter><other/>")), "invalid")
end }

c.case { "call: refused where REST was asked for", cell = function(w)
  return w.api ~= "rest" and "the transport may be chosen" or not w.transport and w.absent or nil
end, run = function(w)
  c.fails(nil, select(2, w.client:call("system-get-version")), "unsupported")
end }

c.case { "request: status and body of a raw request", zapi = "REST only", run = function(w)
  local reply = c.ok(w.client:request("GET", "/storage/volumes?name=plain&fields=uuid"))
  c.eq({ reply.status, reply.body.num_records, reply.body.records[1].name }, { 200, 1, "plain" })
  local value, e = w.client:request("GET", "/storage/nothing")
  if value then c.eq(value.status, 404) else c.fails(value, e, "unsupported", "/storage/nothing") end
end }

c.case { "request: refused where ONTAPI was asked for", cell = function(w)
  return w.api ~= "zapi" and "the transport may be chosen" or not w.transport and w.absent or nil
end, run = function(w)
  c.fails(nil, select(2, w.client:request("GET", "/cluster")), "unsupported")
end }
