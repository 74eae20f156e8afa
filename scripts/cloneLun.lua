--- cloneLun: a backup, and then clones of the LUNs in its volumes from the new snapshots. Phases as in backup.
local cloning = require "std.cloning"

return cloning.workflow("cloneLun", "lun", "back up, then clone the LUNs from the new snapshots")
