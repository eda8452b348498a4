"""How many messages a second python-can-isotp's TransportLayerLogic carries from one object to another.

Arguments: TX_DL, length of a message, seconds. Prints messages per second of the processor's work. No bus,
thread or timer is involved: the frames are put into the other one's list.
"""

import sys
import time
from collections import deque

import isotp

tx_dl, length, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
params = {
    "stmin": 0,
    "blocksize": 0,
    "tx_data_length": tx_dl,
    "can_fd": tx_dl > 8,
    "max_frame_size": length,
}
wires = deque(), deque()


def layer(own, other, txid, rxid):
    address = isotp.Address(isotp.AddressingMode.Normal_11bits, txid=txid, rxid=rxid)
    receive = lambda timeout: own.popleft() if own else None
    return isotp.TransportLayerLogic(receive, other.append, address, params=params)


a = layer(wires[0], wires[1], 0x7E0, 0x7E8)
b = layer(wires[1], wires[0], 0x7E8, 0x7E0)
payload = bytes(i % 251 for i in range(length))
count, begin = 0, time.process_time()
while time.process_time() - begin < seconds:
    a.send(payload)
    while not b.available():
        a.process()
        b.process()
    assert b.recv() == payload
    count += 1
print(count / (time.process_time() - begin))
