#!/usr/bin/env bash
# Process 1 of the node's namespaces: it makes the machine look like a node of its own, and starts what
# conf/processes.sh lists. Takes, by environment, NODE ADDRESS GATEWAY DEVICE RUN and CONF.
set -u
hostname "$NODE"
mount --make-rshared /                                   # the kubelet wants mounts to propagate
mkdir -p "$RUN/cg" && mount --rbind /sys/fs/cgroup "$RUN/cg"
mount -t sysfs sysfs /sys && mount --rbind "$RUN/cg" /sys/fs/cgroup    # this network namespace's /sys, with the control groups
mount --bind "$RUN/varlib" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock "$RUN/log/var" && mount --bind "$RUN/log/var" /var/log
mount --bind "$CONF/resolv.conf" /etc/resolv.conf

# The kubelet would change these for the whole machine: nothing here may write them, and where they differ from
# what it wants it would end, so it is shown plain files with the values it wants.
for area in vm kernel; do mount --bind /proc/sys/$area /proc/sys/$area && mount -o remount,bind,ro /proc/sys/$area; done
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/run/sysctl/${setting%%=*}
  mkdir -p "${file%/*}" && echo "${setting#*=}" > "$file" && mount --bind "$file" "/proc/sys/${setting%%=*}"
done

ip link set lo up
until ip link show "$DEVICE" > /dev/null 2>&1; do sleep 0.05; done      # its other end is the machine's
ip addr add "$ADDRESS/24" dev "$DEVICE" && ip link set "$DEVICE" up && ip route add default via "$GATEWAY"
# Packets from pod to pod cross the bridge: policies are seen by iptables only if these are, too.
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 net.ipv4.conf.all.rp_filter=0

declare -A NAMES
start() { local name=$1; shift; "$@" > "$RUN/log/$name.log" 2>&1 & NAMES[$!]=$name; }
. "$CONF/processes.sh"

# Nothing is started a second time: the log says what ended, and the tests then fail loudly. This also reaps orphans.
while :; do
  ended=; wait -n -p ended; code=$?
  [ -n "$ended" ] || { sleep 1; continue; }
  [ -n "${NAMES[$ended]:-}" ] && echo "$(date +%T) ${NAMES[$ended]} ended with $code"
done
