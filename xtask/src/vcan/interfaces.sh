# Makes the CAN interfaces of the kernel tests in this network namespace, and exports their names.

fail() { echo "xtask: $*" >&2; exit 1; }

vcan() { ip link add "$1" type vcan && ip link set "$1" mtu "$2" || fail "cannot make $1"; }

ip link set lo up
vcan vcan0 72 && ip link set vcan0 up
vcan vcan1 72 && ip link set vcan1 up
vcan vcan2 16 && ip link set vcan2 up
vcan vcan3 2060 && ip link set vcan3 up
vcan vcan4 72
export VCAN0=vcan0 VCAN1=vcan1 VCAN_CLASSIC=vcan2 VCAN_XL=vcan3 VCAN_DOWN=vcan4

ip link add vxcan0 type vxcan peer name vxcan1 || fail "cannot make the vxcan pair"
for end in vxcan0 vxcan1; do ip link set "$end" mtu 72 && ip link set "$end" up; done
export VXCAN0=vxcan0 VXCAN1=vxcan1

# The emulated controllers, where the machine has them. (Not by /sys, which shows another namespace.)
if ip link show can1 >/dev/null 2>&1; then
    for controller in can0 can1; do
        ip link set "$controller" type can bitrate 500000 && ip link set "$controller" up \
            || fail "cannot start $controller"
    done
    export CAN_HW0=can0 CAN_HW1=can1
fi
