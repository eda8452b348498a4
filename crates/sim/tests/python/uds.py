"""udsoncan as its users use it: a client on a connection, here to the simulated controller."""

import contextlib
import json
import sys
import zlib

import isotp
import udsoncan
from udsoncan.client import Client
from udsoncan.connections import IsoTPSocketConnection, PythonIsoTpConnection
from udsoncan.exceptions import NegativeResponseException

from buses import open_bus
from console import orders, ready, tell

ADDRESS = isotp.Address(isotp.AddressingMode.Normal_11bits, txid=0x7E0, rxid=0x7E8)
ERASE = 0xFF00
MEMORY = 0x00100000
IMAGE = bytes(index * 7 % 251 for index in range(3000))


def key(level, seed, params):
    """The simulated controller's."""
    mixed = int.from_bytes(seed, "big") ^ 0x54494E57
    return ((mixed << level | mixed >> (32 - level)) & 0xFFFFFFFF).to_bytes(4, "big")


def session(client):
    response = client.change_session(3).service_data
    return {"p2": response.p2_server_max, "p2_star": response.p2_star_server_max}


def vin(client):
    return client.read_data_by_identifier_first(0xF190)


def several(client):
    values = client.read_data_by_identifier([0xF190, 0xF187, 0xF18A]).service_data.values
    return [values[did] for did in (0xF190, 0xF187, 0xF18A)]


def trouble(client):
    dtcs = client.get_dtc_by_status_mask(0x08).service_data.dtcs
    return [f"{dtc.id:06X}" for dtc in dtcs]


def clear(client):
    client.clear_dtc()
    return trouble(client)


def present(client):
    return client.tester_present().positive


def refused(client):
    try:
        client.read_data_by_identifier_first(0x0001)
    except NegativeResponseException as error:
        return error.response.code_name


def written(client):
    client.unlock_security_access(0x01)
    client.write_data_by_identifier(0xF190, "TW1WRES1MXECU0002")
    return vin(client)


def download(client):
    """A new program: what takes its time is announced with "response pending"."""
    pending = []
    client.set_config("nrc78_callback", lambda *_: pending.append(1))
    client.change_session(2)
    client.unlock_security_access(0x11)
    client.start_routine(ERASE)
    place = udsoncan.MemoryLocation(MEMORY, len(IMAGE), address_format=32, memorysize_format=32)
    length = client.request_download(place).service_data.max_length - 2
    blocks = [IMAGE[at : at + length] for at in range(0, len(IMAGE), length)]
    for number, block in enumerate(blocks, 1):
        client.transfer_data(number, block)
    told = client.request_transfer_exit().service_data.parameter_records
    return {
        "response pending": len(pending),
        "blocks": len(blocks),
        "checksum": int.from_bytes(told, "big") == zlib.crc32(IMAGE),
    }


STEPS = [session, vin, several, trouble, clear, present, refused, written, download]


@contextlib.contextmanager
def connection(place, kind):
    if kind == "socket":
        yield IsoTPSocketConnection(place, ADDRESS)
    else:
        with open_bus(place) as bus:
            yield PythonIsoTpConnection(isotp.CanStack(bus, address=ADDRESS))


def main(place, kind):
    ready("udsoncan", "can-isotp", "python-can")
    text = udsoncan.AsciiCodec
    config = {
        **udsoncan.configs.default_client_config,
        "data_identifiers": {0xF190: text(17), 0xF187: text(9), 0xF18A: text(7), "default": text(1)},
        "security_algo": key,
        "request_timeout": 30,
        "p2_timeout": 10,
        # The machine may be busy: nothing here depends on its speed.
        "use_server_timing": False,
    }
    with connection(place, kind) as below, Client(below, config=config) as client:
        steps = {step.__name__: step for step in STEPS}
        for word, _ in orders():
            tell("answer", json.dumps(steps[word](client)))


main(*sys.argv[1:])
