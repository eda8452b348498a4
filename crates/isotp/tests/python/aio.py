"""aioisotp as its users use it: a network on a python-can bus, a connection with its transport and protocol."""

import asyncio
import json
import logging
import sys
import threading

import aioisotp

from buses import open_bus
from console import orders, ready, tell


class Link(asyncio.Protocol):
    """What the library calls."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, payload):
        tell("received", payload.hex())

    def resume_writing(self):
        # All that was written is out.
        tell("sent")


class Network:
    """The network of coroutines and callbacks."""

    def __init__(self, place, setup, loop):
        self.loop = loop
        self.network = network(aioisotp.ISOTPNetwork, place, setup, loop=loop)
        self.network.open()
        connecting = self.network.create_connection(Link, setup["rxid"], setup["txid"])
        self.transport, _ = self.call(connecting)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def send(self, message):
        self.loop.call_soon_threadsafe(self.transport.write, message)

    def close(self):
        self.loop.call_soon_threadsafe(self.transport.close)
        self.call(self.stop())

    async def stop(self):
        self.network.close()


class SyncNetwork:
    """The network for programs without a loop."""

    def __init__(self, place, setup, loop):
        self.network = network(aioisotp.SyncISOTPNetwork, place, setup)
        self.network._loop.set_exception_handler(tell_exception)
        self.network.open()
        self.connection = self.network.create_sync_connection(setup["rxid"], setup["txid"])
        self.is_open = True
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while self.is_open:
            message = self.connection.recv(timeout=0.05)
            if message is not None:
                tell("received", message.hex())

    def send(self, message):
        self.connection.send(message)
        tell("sent")

    def close(self):
        self.is_open = False
        self.reader.join()
        self.network.close()


class News(logging.Handler):
    """What the library has to say: it reports no failure in another way."""

    def emit(self, record):
        tell("log", record.getMessage())


def tell_exception(_, context):
    tell("error", type(context.get("exception")).__name__)


def network(kind, place, setup, **options):
    options.update(setup["params"])
    if "/" in place:
        return kind(bus=open_bus(place), **options)
    return kind(place, interface="socketcan", **options)


def serve(place, loop):
    try:
        obey(place, loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)


def obey(place, loop):
    endpoint = None
    for word, rest in orders():
        if word == "open":
            setup = json.loads(rest)
            kind = SyncNetwork if setup["kind"] == "sync" else Network
            endpoint = kind(place, setup, loop)
            tell("opened")
        elif word == "send":
            endpoint.send(bytes.fromhex(rest))
        elif word == "functional":
            # The library has one function for it, of the network, to any identifier.
            txid, message = rest.split()
            loop.call_soon_threadsafe(endpoint.network.send, int(txid, 16), bytes.fromhex(message))
            tell("sent")
        elif word == "close":
            endpoint.close()
            tell("closed")


def main(place):
    logging.getLogger("aioisotp").addHandler(News())
    logging.getLogger("aioisotp").setLevel(logging.INFO)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(tell_exception)
    asyncio.set_event_loop(loop)
    ready("aioisotp", "python-can")
    threading.Thread(target=serve, args=(place, loop), daemon=True).start()
    loop.run_forever()


main(*sys.argv[1:])
