# shellcheck shell=bash
# model.sh: a host and a controller of any size without a guest that runs: domains of libvirt's test driver, half of
# them on NFS volumes, half on multipath LUNs. Sourced after world.sh and world_up, with WORLD_VOLUMES=();
# needs $MOON_BUILD/santree.
#
#   model_up DOMAINS   starts the simulator with half as many volumes and ten times as many LUNs, writes the domains and
#                      the config

model_up() {
  local domains=$1 volumes=$(($1 / 2)) i vol root number=900
  if [ $volumes -lt 1 ]; then volumes=1; fi
  sim_config "$WORLD_DIR/sim.json" ".svms[0].generate = { volumes: $volumes, luns: $((domains * 10)) }"
  sim_start
  # The controller's own words; every 20th LUN belongs to a guest.
  sim_curl "$SIM_URL/api/storage/luns?fields=serial_number&max_records=20000" |
    jq -r '.records | sort_by(.name) | .[] | .serial_number' | awk 'NR % 20 == 1' >"$WORLD_DIR/serials"
  "$MOON_BUILD/santree" "$WORLD_DIR/host" $((domains / 2)) "$WORLD_DIR/serials"

  root=$(awk '$5 == "/" { print $1; exit }' /proc/self/mountinfo)
  for ((i = 1; i <= volumes; i++)); do
    printf -v vol 'gen%04d' $i
    printf '%d %d 0:%d / %s rw,relatime - nfs4 127.0.0.1:/%s rw,vers=4.1,addr=127.0.0.1\n' $((number + i)) "$root" \
      $((number + i)) "$WORLD_DIR/sim/svm1/$vol" "$vol"
  done >>"$WORLD_DIR/mountinfo"

  local wwid source
  local -a wwids=()
  mapfile -t wwids < <(while IFS= read -r wwid; do printf '3600a0980%s\n' "$(printf %s "$wwid" | od -A n -t x1 | tr -d ' \n')"; done <"$WORLD_DIR/serials")
  {
    echo '<node>'
    for ((i = 0; i < domains; i++)); do
      if [ $((i % 2)) = 0 ]; then
        printf -v vol 'gen%04d' $((i / 2 % volumes + 1))
        : >"$WORLD_DIR/sim/svm1/$vol/d$i.img"
        source="<disk type='file' device='disk'><source file='$WORLD_DIR/sim/svm1/$vol/d$i.img'/>"
      else
        source="<disk type='block' device='disk'><source dev='/dev/mapper/${wwids[i / 2]}'/>"
      fi
      printf "<domain type='test'><name>d%04d</name><uuid>%08x-0000-4000-8000-000000000000</uuid><memory>65536</memory>" $i $((i + 1))
      printf "<os><type>hvm</type></os><devices>%s<target dev='vda' bus='virtio'/></disk></devices></domain>\n" "$source"
    done
    echo '</node>'
  } >"$WORLD_DIR/node.xml"
  chmod a+r "$WORLD_DIR/node.xml"
  # In libvirtd, as real domains are, so that their memory is not taken for moonsnap's.
  moon_conf KVM_LIBVIRT_URI="test+unix://$WORLD_DIR/node.xml?${MOON_TEST_URI#*\?}" KVM_DEVICE_ROOT="$WORLD_DIR/host" NTAP_SNAPSHOT_RETENTIONS=scale:2 \
    VOLUMES=svm1:gen0001 APP_CONF_PERSISTENCE=N KVM_VMS=
}
