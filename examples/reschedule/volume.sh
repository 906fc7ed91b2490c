# Nodes and volumes of examples/reschedule/run.sh, which sources this file.
#
# A node is a mount namespace, held by a sleeping process. A volume is an ext4 image that one node at
# a time has attached (as a loop device) and mounted. Where that needs more than this machine allows,
# a volume is a plain directory and there is one node, the machine.

volume=     # Where pods find the present volume; the same path on every node.
on_node=()  # The prefix that runs a command on the present node.
node_pid=
image=
device=
volumes=0
volumes_directory=
former_nodes=()  # What new_volume left behind.
former_devices=()

# within SECONDS COMMAND...: tries the command until it succeeds, every 10 ms. False: time is up.
within() {
  local end=$((SECONDS + $1 + 1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.01
  done
}

in_other_namespace() {
  local theirs
  theirs=$(readlink "/proc/$1/ns/mnt") && [ "$theirs" != "$(readlink /proc/self/ns/mnt)" ]
}

image_is_detached() { [ -z "$(losetup --associated "$image")" ]; }

start_node() {
  [ -n "$image" ] || return 0
  unshare --mount --propagation private sleep 3600 &
  node_pid=$!
  within 10 in_other_namespace "$node_pid" || return 1
  on_node=(nsenter --target "$node_pid" --mount --root --)
}

attach_volume() {
  [ -n "$image" ] || return 0
  device=$(losetup --find --show "$image") || return 1
  "${on_node[@]}" mount -t ext4 "$device" "$volume"
}

detach_volume() {
  [ -n "$image" ] || return 0
  within 20 "${on_node[@]}" umount "$volume" || return 1
  losetup --detach "$device" || return 1
  device=
  within 20 image_is_detached
}

# Ends the node and with it all that is mounted there.
stop_node() {
  [ -n "$node_pid" ] || return 0
  kill -KILL "$node_pid" 2>/dev/null || true
  { wait "$node_pid" || true; } 2>/dev/null
  node_pid=
  on_node=()
}

# The way to the first node with the volume attached, or nothing but the reason why not.
make_image() {
  local tool
  [ "$(id -u)" -eq 0 ] || { echo "not root"; return 1; }
  for tool in unshare nsenter losetup mkfs.ext4 mount umount; do
    command -v "$tool" >/dev/null || { echo "no $tool"; return 1; }
  done
  truncate -s 2G "$image" && mkfs.ext4 -q -F "$image" || { echo "mkfs.ext4 failed"; return 1; }
}

# make_volume DIRECTORY: makes the volume in there and starts the first node.
make_volume() {
  local reason
  volumes_directory=$1
  volumes=1
  volume=$1/volume-1
  image=$1/volume-1.ext4
  mkdir "$volume"
  if reason=$(make_image) && start_node && attach_volume 2>"$1/attach.log"; then
    echo "volume: an ext4 image on a loop device; nodes are mount namespaces"
    return 0
  fi
  remove_volumes
  image=
  echo "volume: a plain directory, for this machine allows no loop-mounted image" \
       "(${reason:-$(cat "$1/attach.log" 2>/dev/null)}); there is one node only"
}

# Makes an empty volume and a node that has it. The present ones stay as they are, with their pods.
new_volume() {
  former_nodes+=("$node_pid")
  former_devices+=("$device")
  node_pid=
  device=
  on_node=()
  volumes=$((volumes + 1))
  volume=$volumes_directory/volume-$volumes
  mkdir "$volume" || return 1
  [ -n "$image" ] || return 0
  image=$volumes_directory/volume-$volumes.ext4
  make_image && start_node && attach_volume
}

# Nothing may be using it.
destroy_volume() {
  [ -n "$image" ] || { rm -rf "$volume"; return 0; }
  detach_volume && stop_node && rm "$image"
}

remove_volumes() {
  local i
  if [ -n "$device" ]; then
    "${on_node[@]}" umount "$volume" 2>/dev/null || true
    losetup --detach "$device" 2>/dev/null || true
    device=
  fi
  stop_node
  for i in "${!former_nodes[@]}"; do
    node_pid=${former_nodes[i]}
    stop_node  # Unmounts as well.
    [ -z "${former_devices[i]}" ] || losetup --detach "${former_devices[i]}" 2>/dev/null || true
  done
}
