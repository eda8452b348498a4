#!/bin/busybox sh
# First program of the guest: loads the modules, lays a writable file system over the host's read-only one,
# and hands over to pid1.sh there. Arguments in the environment come from the kernel command line.

busybox=/bin/busybox
say() { $busybox echo "init: $*" >/dev/console; }
halt() { say "$*"; $busybox poweroff -f; }

$busybox mkdir -p /proc /sys /dev /lower /over /root
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs devtmpfs /dev

while read -r module; do
    $busybox insmod "/modules/$module" || halt "cannot load $module"
done </modules/order

options=trans=virtio,version=9p2000.L,msize=512000
$busybox mount -t 9p -o "ro,cache=loose,$options" root /lower || halt "cannot mount the host's files"
$busybox mount -t tmpfs -o mode=0755 tmpfs /over
$busybox mkdir /over/upper /over/work
$busybox mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work overlay /root \
    || halt "cannot lay a writable file system over the host's"

$busybox mount -t tmpfs -o mode=0755 tmpfs /root/run
$busybox mkdir /root/run/xtask
$busybox mount -t 9p -o "rw,$options" share /root/run/xtask || halt "cannot mount the share"
for directory in proc sys dev; do
    $busybox mkdir -p "/root/$directory"
    $busybox mount -o move "/$directory" "/root/$directory"
done
$busybox mkdir -p /root/dev/pts /root/dev/shm
$busybox mount -t devpts devpts /root/dev/pts
$busybox mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm

# Not chroot: inside one, no user namespace can be made.
exec $busybox switch_root /root /bin/sh /run/xtask/pid1.sh
