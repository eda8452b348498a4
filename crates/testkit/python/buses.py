"""Buses for python-can, of version 3 and 4, by the address that the test gives.

`vcan0` is an interface of the kernel. Anything with a slash is the socket of a `bus:NAME`, tinwire's bus
between processes, whose wire is told in the documentation of can-link's module `local_bus`.
"""

import select
import socket
import struct
import threading

import can

HEADER = struct.Struct("=BBH4sQ")
RECORD = struct.Struct("=IBBBB64s")
HELLO, WELCOME, FRAME, LEAVE = 1, 2, 3, 6
MAGIC = b"TWB1"
QUEUE = 65536
EXTENDED, REMOTE = 1 << 31, 1 << 30
BRS, ESI, FDF = 1, 2, 4


class LocalBus(can.BusABC):
    """A member of a bus between processes."""

    def __init__(self, path):
        self.channel_info = "bus:" + path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._sending = threading.Lock()
        self._socket.sendall(HEADER.pack(HELLO, 0, 0, MAGIC, QUEUE))
        kind, _, _, magic, _ = HEADER.unpack(self._exactly(HEADER.size))
        if (kind, magic) != (WELCOME, MAGIC):
            raise can.CanError(f"{path}: no welcome")
        super().__init__(channel=path)

    def fileno(self):
        return self._socket.fileno()

    def send(self, msg, timeout=None):
        word = msg.arbitration_id
        word |= EXTENDED if msg.is_extended_id else 0
        word |= REMOTE if msg.is_remote_frame else 0
        flags = 0
        if msg.is_fd:
            flags = FDF | (BRS if msg.bitrate_switch else 0) | (ESI if msg.error_state_indicator else 0)
        length = msg.dlc if msg.is_remote_frame else len(msg.data)
        record = RECORD.pack(word, length, flags, 0, 0, bytes(msg.data))
        with self._sending:
            self._socket.sendall(HEADER.pack(FRAME, 0, len(record), bytes(4), 0) + record)

    def _recv_internal(self, timeout):
        # Never more than one message at a time: what is left stays visible to whoever polls the socket.
        if not select.select([self._socket], [], [], timeout)[0]:
            return None, False
        kind, _, length, _, value = HEADER.unpack(self._exactly(HEADER.size))
        body = self._exactly(length)
        if kind == LEAVE:
            self._socket.shutdown(socket.SHUT_WR)
            return None, False
        if kind != FRAME:
            raise can.CanError(f"{self.channel_info}: message of kind {kind}, value {value}")
        word, length, flags, _, _, data = RECORD.unpack(body)
        message = can.Message(
            timestamp=value / 1e9,
            arbitration_id=word & 0x1FFFFFFF,
            is_extended_id=bool(word & EXTENDED),
            is_remote_frame=bool(word & REMOTE),
            is_fd=bool(flags & FDF),
            bitrate_switch=bool(flags & BRS),
            error_state_indicator=bool(flags & ESI),
            dlc=length,
            data=None if word & REMOTE else data[:length],
        )
        return message, False

    def _exactly(self, count):
        data = self._socket.recv(count, socket.MSG_WAITALL) if count else b""
        if len(data) < count:
            raise can.CanError(f"{self.channel_info}: the bus is gone")
        return data

    def shutdown(self):
        super().shutdown()
        self._socket.close()


def open_bus(address, **options):
    """Opens what the test told."""
    if "/" in address:
        return LocalBus(address)
    return can.Bus(channel=address, bustype="socketcan", **options)
