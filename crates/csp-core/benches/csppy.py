"""How many requests and replies a second csp-py carries between two nodes of one process.

Arguments: bytes of a request, seconds. Prints exchanges per second of the processor's work. The client keeps
its connection, as ours does; the server is csp-py's ping.
"""

import asyncio
import sys
import time

import csp_py
from csp_py.interfaces.interface_pair import InterfacePair

size, seconds = int(sys.argv[1]), float(sys.argv[2])
request = bytes(i % 256 for i in range(size))


async def main():
    pair = InterfacePair()
    nodes = []
    for address, interface in ((1, pair.iface1), (2, pair.iface2)):
        node = csp_py.CspNode()
        node.router.add_interface(interface, address=address, netmask_bits=8)
        nodes.append((node, asyncio.create_task(node.router.arun())))
    client = await nodes[0][0].connect(dst=2, port=1)
    count, begin = 0, time.process_time()
    while time.process_time() - begin < seconds:
        for _ in range(100):
            await client.send(request)
            reply = await client.recv()
            assert reply.data == request
        count += 100
    print(count / (time.process_time() - begin))


asyncio.run(main())
