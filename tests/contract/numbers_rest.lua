--- Every error code of REST that the engine can meet, what it must be called here, and the verb whose call answers
-- with it; `since` where the verb needs a newer release. Written from the reference, not from the engine's table;
-- the suite compares both.
local GROUP, EMS, RESTORE = "9.10.1", "9.11.1", "9.10.1"

local rows = {
  { 1, "exists", "volume_clone" }, { 2, "invalid", "snapshot_create" }, { 3, "unsupported", "snapshot_create" },
  { 4, "not_found", "snapshot_create" }, { 6, "denied", "snapshot_create" }, { 7, "busy", "snapshot_create" },
  { 8, "busy", "snapshot_create" }, { 65541, "io", "snapshots" }, { 65552, "io", "snapshots" },
  { 65562, "io", "snapshots" }, { 262160, "busy", "snapshots" }, { 262210, "io", "snapshots" },
  { 524479, "no_space", "snapshot_create" }, { 524481, "busy", "snapshot_delete" },
  { 524486, "busy", "volume_clone" }, { 524508, "invalid", "snapshot_create" },
  { 524511, "io", "file_restore", since = RESTORE }, { 524597, "io", "volume_clone" },
  { 524601, "not_found", "volume_clone" }, { 524615, "conflict", "volume_clone" }, { 524819, "io", "volume_clone" },
  { 525059, "exists", "snapshot_create" }, { 525062, "no_space", "snapshot_create" },
  { 542797, "not_found", "snapshot_modify" }, { 917505, "not_found", "volume_clone" },
  { 917526, "exists", "volume_clone" }, { 917533, "conflict", "volume_clone" }, { 917536, "conflict", "volume_clone" },
  { 917628, "invalid", "volume_clone" }, { 917812, "invalid", "file_clone" }, { 917864, "not_found", "file_clone" },
  { 917898, "invalid", "file_clone" }, { 918236, "invalid", "file_clone" }, { 918248, "conflict", "volume_clone" },
  { 918251, "invalid", "file_restore", since = RESTORE }, { 983146, "invalid", "ems_log", since = EMS },
  { 983173, "io", "ems_log", since = EMS }, { 1254196, "exists", "lun_clone" }, { 1254197, "conflict", "lun_delete" },
  { 1254201, "not_found", "lun_map" }, { 1254207, "conflict", "lun_map" }, { 1260121, "invalid", "lun_clone" },
  { 1260136, "exists", "lun_clone" }, { 1520351, "conflict", "snapshot_create" },
  { 1638455, "invalid", "snapshot_modify" }, { 1638461, "conflict", "snapshot_create" },
  { 1638476, "busy", "snapshot_rename" }, { 1638477, "invalid", "snapshot_create" },
  { 1638480, "conflict", "file_restore", since = RESTORE }, { 1638518, "invalid", "snapshot_create" },
  { 1638521, "conflict", "snapshot_delete" }, { 1638522, "conflict", "snapshot_rename" },
  { 1638523, "invalid", "snapshot_modify" }, { 1638524, "unsupported", "snapshot_modify" },
  { 1638532, "busy", "snapshot_create" }, { 1638537, "io", "snapshot_create" }, { 1638538, "io", "snapshot_delete" },
  { 1638539, "io", "snapshot_rename" }, { 1638543, "busy", "snapshot_delete" },
  { 1638554, "invalid", "snapshot_modify" }, { 1638555, "busy", "snapshot_delete" },
  { 1638574, "unsupported", "snapshot_create" }, { 1638590, "conflict", "file_restore", since = RESTORE },
  { 1638600, "not_found", "snapshot_modify" }, { 1638616, "invalid", "snapshot_create" },
  { 1638617, "invalid", "snapshot_create" }, { 1638618, "invalid", "snapshot_create" },
  { 2621462, "not_found", "snapshot_create" }, { 5374053, "busy", "lun_restore" },
  { 5374238, "conflict", "lun_map" }, { 5374242, "exists", "lun_clone" }, { 5374863, "partial", "lun_clone" },
  { 5374864, "partial", "lun_restore" }, { 5374865, "conflict", "lun_restore" }, { 5374866, "conflict", "lun_restore" },
  { 5374874, "invalid", "lun_restore" }, { 5374875, "not_found", "lun_map" }, { 5374876, "not_found", "lun_restore" },
  { 5374878, "not_found", "lun_map" }, { 5374883, "invalid", "lun_clone" }, { 5374885, "partial", "lun_restore" },
  { 5374899, "invalid", "lun_restore" }, { 5374904, "conflict", "lun_clone" }, { 5374922, "not_found", "lun_map" },
  { 5374942, "invalid", "lun_clone" }, { 5440688, "exists", "lun_clone" }, { 6619637, "exists", "mirror_restore" },
  { 6619720, "busy", "mirror_initialize" }, { 6684674, "not_found", "file_info" }, { 7012352, "invalid", "file_clone" },
  { 7012380, "invalid", "file_clone" }, { 7013360, "invalid", "file_clone" }, { 7013361, "invalid", "file_clone" },
  { 7018866, "conflict", "file_clone" }, { 7018877, "busy", "file_clone" }, { 7018919, "busy", "file_clone" },
  { 9241607, "conflict", "snapshots" }, { 9437885, "conflict", "file_restore", since = RESTORE },
  { 9437886, "conflict", "file_restore", since = RESTORE }, { 13107406, "busy", "volume_clone" },
  { 13303808, "conflict", "mirror_break" }, { 13303809, "conflict", "mirror_break" },
  { 13303810, "busy", "mirror_initialize" }, { 13303811, "conflict", "mirror_initialize" },
  { 13303812, "conflict", "mirror_initialize" }, { 13303813, "partial", "mirror_restore" },
  { 13303816, "busy", "mirror_initialize" }, { 13303818, "conflict", "mirror_break" },
  { 13303822, "partial", "mirror_restore" }, { 13303823, "timeout", "mirror_break" },
  { 13303824, "io", "mirror_break" }, { 13303844, "busy", "mirror_initialize" }, { 13303845, "io", "mirror_restore" },
  { 13303846, "invalid", "mirror_restore" }, { 13303847, "invalid", "mirror_restore" },
  { 13303848, "unsupported", "mirror_initialize" }, { 13303849, "conflict", "mirror_initialize" },
  { 13303854, "partial", "mirror_restore" }, { 13304112, "unsupported", "mirror_restore" },
  { 13304159, "busy", "mirror_initialize" }, { 13565952, "io", "lun_restore" }, { 13565988, "invalid", "file_clone" },
  { 13565998, "unsupported", "file_clone" }, { 53411842, "not_found", "cg_start", since = GROUP },
  { 53411860, "exists", "cg_start", since = GROUP }, { 53411861, "not_found", "cg_start", since = GROUP },
  { 53411865, "conflict", "cg_start", since = GROUP }, { 53411918, "conflict", "cg_start", since = GROUP },
  { 53411921, "partial", "cg_start", since = GROUP }, { 53411925, "partial", "cg_start", since = GROUP },
  { 53411959, "conflict", "cg_start", since = GROUP }, { 53412007, "partial", "cg_start", since = GROUP },
  { 53412008, "partial", "cg_start", since = GROUP },
}

-- What is wrong with the request itself.
for _, code in ipairs { 262177, 262179, 262185, 262186, 262188, 262190, 262196, 262197, 262198, 262199, 262202, 262203,
  262211, 262212, 262220, 262245, 262247, 262249, 262250, 262254, 262255, 262286 } do
  rows[#rows + 1] = { code, "invalid", "snapshot_create" }
end
for code = 918243, 918247 do rows[#rows + 1] = { code, "invalid", "volume_clone" } end
for code = 53411843, 53411846 do rows[#rows + 1] = { code, "invalid", "cg_start", since = GROUP } end

return rows
