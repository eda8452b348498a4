"""python-can-isotp as its users use it: over python-can, with and without threads, and over the kernel."""

import errno
import json
import select
import socket
import sys
import threading
import time

import can
import isotp

from buses import open_bus
from console import orders, ready, tell


class Stack:
    """A user-space stack that runs on threads of its own."""

    def __init__(self, place, setup):
        self.bus = open_bus(place, fd=True)
        self.notifier = None
        arguments = {
            "address": address(setup["address"]),
            "error_handler": lambda error: tell("error", type(error).__name__),
            "params": {**setup["params"], "blocking_send": True},
        }
        if setup["kind"] == "notifier":
            self.notifier = can.Notifier(self.bus, [], timeout=0.1)
            self.stack = isotp.NotifierBasedCanStack(self.bus, self.notifier, **arguments)
        else:
            self.stack = isotp.CanStack(self.bus, **arguments)
        self.is_open = True
        self.stack.start()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while self.is_open:
            message = self.stack.recv(block=True, timeout=0.05)
            if message is not None:
                tell("received", message.hex())

    def send(self, message, target):
        self.stack.send(message, target_address_type=target, send_timeout=120)

    def close(self):
        self.is_open = False
        self.reader.join()
        self.stack.stop()
        if self.notifier:
            self.notifier.stop()
        self.bus.shutdown()


class Logic:
    """The core without threads: whoever owns it calls `process`."""

    def __init__(self, place, setup):
        self.bus = open_bus(place, fd=True)
        self.is_open = True
        self.logic = isotp.TransportLayerLogic(
            rxfn=self.receive,
            txfn=self.transmit,
            address=address(setup["address"]),
            error_handler=lambda error: tell("error", type(error).__name__),
            params=setup["params"],
        )
        self.worker = threading.Thread(target=self.work)
        self.worker.start()

    def receive(self, timeout):
        frame = self.bus.recv(timeout)
        return frame and isotp.CanMessage(
            arbitration_id=frame.arbitration_id,
            data=frame.data,
            extended_id=frame.is_extended_id,
            is_fd=frame.is_fd,
            bitrate_switch=frame.bitrate_switch,
        )

    def transmit(self, frame):
        self.bus.send(
            can.Message(
                arbitration_id=frame.arbitration_id,
                data=frame.data,
                is_extended_id=frame.is_extended_id,
                is_fd=frame.is_fd,
                bitrate_switch=frame.bitrate_switch,
            )
        )

    def work(self):
        while self.is_open:
            self.logic.process(rx_timeout=0.001)
            while self.logic.available():
                tell("received", self.logic.recv().hex())

    def send(self, message, target):
        self.logic.send(message, target_address_type=target)
        while self.logic.transmitting():
            time.sleep(0.001)

    def close(self):
        self.is_open = False
        self.worker.join()
        self.bus.shutdown()


class Socket:
    """The wrapper of the kernel's socket."""

    def __init__(self, place, setup):
        self.socket = isotp.socket()
        # A send returns when the message is out, or failed.
        flags = isotp.socket.flags.WAIT_TX_DONE
        if setup["params"]["listen_mode"]:
            flags |= isotp.socket.flags.LISTEN_MODE
        params = setup["params"]
        self.socket.set_opts(optflag=flags, txpad=params["tx_padding"])
        self.socket.set_fc_opts(bs=params["blocksize"], stmin=params["stmin"])
        if params["can_fd"]:
            protocol = isotp.socket.LinkLayerProtocol.CAN_FD
            self.socket.set_ll_opts(mtu=protocol, tx_dl=params["tx_data_length"], tx_flags=0)
        self.socket.bind(place, address(setup["address"]))
        self.is_open = True
        # An error of the sender must not be taken by the reader.
        self.sending = threading.Lock()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while self.is_open:
            readable, _, _ = select.select([self.socket], [], [], 0.05)
            if not readable or not self.sending.acquire(blocking=False):
                continue
            try:
                tell("received", self.socket.recv(1 << 21, socket.MSG_DONTWAIT).hex())
            except BlockingIOError:
                # What made it readable was an error, which the sender has taken.
                pass
            except OSError as error:
                tell("error", errno.errorcode[error.errno])
            finally:
                self.sending.release()

    def send(self, message, target):
        with self.sending:
            self.socket.send(message)

    def close(self):
        self.is_open = False
        self.reader.join()
        self.socket.close()


KINDS = {"stack": Stack, "notifier": Stack, "logic": Logic, "socket": Socket}


def address(told):
    if "tx" in told:
        return isotp.AsymmetricAddress(tx_addr=address(told["tx"]), rx_addr=address(told["rx"]))
    mode = isotp.AddressingMode[told["mode"]]
    return isotp.Address(mode, **{key: value for key, value in told.items() if key != "mode"})


def send(endpoint, message, target):
    try:
        endpoint.send(message, target)
        tell("sent")
    except OSError as error:
        tell("failed", errno.errorcode[error.errno])
    except Exception as error:
        tell("failed", type(error).__name__)


def main(place):
    endpoint = None
    ready("can-isotp", "python-can")
    for word, rest in orders():
        if word == "open":
            endpoint = KINDS[json.loads(rest)["kind"]](place, json.loads(rest))
            tell("opened")
        elif word in ("send", "functional"):
            kind = isotp.TargetAddressType
            target = kind.Functional if word == "functional" else kind.Physical
            threading.Thread(target=send, args=(endpoint, bytes.fromhex(rest), target)).start()
        elif word == "close":
            endpoint.close()
            tell("closed")


main(*sys.argv[1:])
