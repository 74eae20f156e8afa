--- cloneVol: a backup, and then clones of its volumes from the new snapshots. Phases as in backup.
local cloning = require "std.cloning"

return cloning.workflow("cloneVol", "volume", "back up, then clone the volumes from the new snapshots")
