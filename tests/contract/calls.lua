--- Which call carries a verb, by transport: for fault rules, which name calls. REST calls are named by method
-- and path, with * for one element.
return {
  snapshot_create = { zapi = "snapshot-create", rest = "POST /storage/volumes/*/snapshots" },
  snapshots = { zapi = "snapshot-get-iter", rest = "GET /storage/volumes/*/snapshots" },
  snapshot_delete = { zapi = "snapshot-delete", rest = "DELETE /storage/volumes/*/snapshots/*" },
  snapshot_rename = { zapi = "snapshot-rename", rest = "PATCH /storage/volumes/*/snapshots/*" },
  snapshot_modify = { zapi = "snapshot-modify-iter", rest = "PATCH /storage/volumes/*/snapshots/*" },
  volumes = { zapi = "volume-get-iter", rest = "GET /storage/volumes" },
  svms = { zapi = "vserver-get-iter", rest = "GET /svm/svms" },
  lifs = { zapi = "net-interface-get-iter", rest = "GET /network/ip/interfaces" },
  cluster = { zapi = "cluster-identity-get", rest = "GET /cluster" },
  identity = { zapi = "system-get-version", rest = "GET /cluster" },
}
