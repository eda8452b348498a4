"""python fstrm as its users use it: a codec, with sockets around it that are theirs."""

import socket
import sys

from fstrm import FstrmCodec

from console import orders, ready, tell

STOP, FINISH = 3, 5


def frames(codec, connection):
    """Everything that comes, one frame after the other."""
    while True:
        while codec.process():
            yield codec.decode()
        data = connection.recv(max(codec.pending_nb_bytes(), 1))
        if not data:
            return
        codec.append(data)


def send(path, content_type, payloads):
    """A client that offers its type, sends, and says goodbye."""
    codec = FstrmCodec()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        incoming = frames(codec, connection)
        connection.sendall(codec.encode_ctrlready(content_type))
        kind, types, _ = next(incoming)
        tell("answer", f"{kind} {b' '.join(types).hex()}")
        connection.sendall(codec.encode_ctrlstart(content_type))
        for payload in payloads:
            connection.sendall(codec.encode_data(payload))
        connection.sendall(codec.encode(STOP))
        tell("answer", str(next(incoming)[0]))


def serve(path, content_type):
    """A server for one client; it says FINISH, which the codec's own example does not."""
    codec = FstrmCodec()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        tell("listening")
        connection, _ = listener.accept()
        # Told when all is over: the test does not listen while it sends.
        received = []
        with connection:
            for kind, types, payload in frames(codec, connection):
                if kind == 0:
                    received.append(payload)
                    continue
                tell("control", f"{kind} {b' '.join(types).hex()}")
                if kind == 4:
                    connection.sendall(codec.encode_ctrlaccept(content_type))
                if kind == STOP:
                    connection.sendall(codec.encode(FINISH))
                    break
        for payload in received:
            tell("data", payload.hex())


def burst(data):
    """What `is_data` makes of several frames that come at once: the first, and then one for each call."""
    codec = FstrmCodec()
    found = [codec.is_data(data)]
    while found[-1]:
        found.append(codec.is_data(b""))
    tell("found", " ".join(payload.hex() for payload in found if payload))


ready("fstrm")
for word, rest in orders():
    words = rest.split(" ")
    if word == "send":
        payloads = [bytes([number % 256]) * (number % 300 + 1) for number in range(int(words[2]))]
        send(words[0], words[1].encode(), payloads)
    elif word == "serve":
        serve(words[0], words[1].encode())
    elif word == "burst":
        burst(bytes.fromhex(words[0]))
    elif word == "encode":
        codec = FstrmCodec()
        kind, argument = words[0], bytes.fromhex(words[1])
        makers = {
            "ready": codec.encode_ctrlready,
            "accept": codec.encode_ctrlaccept,
            "start": codec.encode_ctrlstart,
            "data": codec.encode_data,
            "stop": lambda _: codec.encode(STOP),
            "finish": lambda _: codec.encode(FINISH),
        }
        tell("bytes", makers[kind](argument).hex())
    else:
        sys.exit(f"unknown order {word}")
