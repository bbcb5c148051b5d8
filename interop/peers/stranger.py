"""Something on the other end of a TCP connection that is no ZeroMQ peer, or a bad one.

Command: attack {kind}, one connection to --connect, on which what KINDS has for this kind is sent. Says "over"
{kind, how} when the other side has ended the connection, "closed" or "reset". With --listen it is the other way
round: each connection that comes in is attacked with --kind, and its end is said.
"""

import argparse
import json
import os
import signal
import socket
import struct
import sys
import threading

PARTNERS = {"PULL": b"PUSH", "PUSH": b"PULL", "SUB": b"PUB", "PUB": b"SUB"}

# RFC 37: the greeting is ten bytes of signature, the version, the mechanism in twenty bytes, as-server, padding.


def greeting(major=3, minor=1, mechanism=b"NULL"):
    signature = b"\xff" + bytes(8) + b"\x7f"
    return signature + bytes([major, minor]) + mechanism.ljust(20, b"\0") + bytes(32)


def command(name, body):
    data = bytes([len(name)]) + name + body
    return bytes([4, len(data)]) + data


def metadata(name, value, size=None):
    return bytes([len(name)]) + name + struct.pack(">I", len(value) if size is None else size) + value


def ready(kind):
    return command(b"READY", metadata(b"Socket-Type", kind) + metadata(b"Identity", b""))


def shake(kind):
    """The whole handshake of an honest peer of this type."""
    return greeting() + ready(kind)


def frame(flags, size, data=b""):
    """A frame that claims to have this size, whatever it has."""
    return bytes([flags]) + struct.pack(">Q", size) + data


MORE, LONG, COMMAND = 1, 2, 4

# What is sent, by the type of socket that an honest peer would have here.
KINDS = {
    "a request of HTTP": lambda kind: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3,
    "noise": lambda kind: os.urandom(4096).replace(b"\xff", b"\0"),
    "zero bytes": lambda kind: bytes(4096),
    "ZMTP 2.0 of a wrong socket type": lambda kind: b"\xff" + bytes(8) + b"\x7f\x01\x00\x00\x00" + bytes(64),
    "ZMTP 2.0 of an unknown socket type": lambda kind: b"\xff" + bytes(8) + b"\x7f\x01\x0b\x00\x00" + bytes(64),
    "ZMTP 1.0 with a revision": lambda kind: b"\xff" + bytes(8) + b"\x7f\x00\x08" + bytes(64),
    "ZMTP 1.0": lambda kind: b"\x01\x00" + b"\x06\x00hello" * 20,
    "an unknown mechanism": lambda kind: greeting(mechanism=b"TELEPATHY") + ready(kind),
    "a mechanism not offered": lambda kind: greeting(mechanism=b"PLAIN") + command(b"HELLO", b"\x01a\x01b"),
    "an unknown socket type": lambda kind: greeting() + ready(b"TELEPHONE"),
    "a wrong pair of socket types": lambda kind: greeting() + ready(b"REP"),
    "no socket type": lambda kind: greeting() + command(b"READY", b""),
    "a cut READY": lambda kind: greeting() + command(b"READY", metadata(b"Socket-Type", kind)[:9]),
    "a property too long": lambda kind: greeting() + command(b"READY", metadata(b"Socket-Type", kind, 0xFFFFFFFF)),
    "a command without a name": lambda kind: greeting() + bytes([COMMAND, 0]),
    "a command name too long": lambda kind: greeting() + bytes([COMMAND, 3, 200]) + b"RE",
    "a message instead of READY": lambda kind: greeting() + bytes([0, 5]) + b"hello",
    "an ERROR": lambda kind: greeting() + command(b"ERROR", b"\x07go away"),
    "a huge READY": lambda kind: greeting() + frame(COMMAND | LONG, 1 << 62, b"\x05READY"),
    "half a greeting": lambda kind: greeting()[:11],
    "half a READY": lambda kind: greeting() + ready(kind)[:12],
    "nothing": lambda kind: b"",
    "a huge frame": lambda kind: shake(kind) + frame(LONG, 1 << 62, b"x" * 1000),
    "a huge frame with more": lambda kind: shake(kind) + frame(LONG | MORE, 1 << 40, b"x" * 1000),
    "a frame with the top bit": lambda kind: shake(kind) + frame(LONG, 1 << 63, b"x" * 1000),
    "a frame of all ones": lambda kind: shake(kind) + b"\xff" * 1000,
    "a huge command": lambda kind: shake(kind) + frame(COMMAND | LONG, 1 << 40, b"\x04PING"),
    "a broken PING": lambda kind: shake(kind) + command(b"PING", b""),
}


def say(event, **fields):
    """Writes one line, in one piece: threads of several connections may speak at once."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def meet(connection, kind, partner):
    """Sends the bytes, waits for the other side to end the connection, and says how it did."""
    how = "closed"
    try:
        connection.sendall(KINDS[kind](partner))
        while connection.recv(1 << 16):
            pass
    except (ConnectionResetError, BrokenPipeError):
        how = "reset"
    connection.close()
    say("over", kind=kind, how=how)


def visit(address, partner):
    """Obeys commands until standard input closes."""
    for line in sys.stdin:
        meet(socket.create_connection(address), json.loads(line)["kind"], partner)


def receive_visitors(listener, kind, partner):
    """Attacks everybody who connects, each on a thread of its own that does not keep the process alive."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=meet, args=(connection, kind, partner), daemon=True).start()


def split(endpoint):
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host, int(port.replace("*", "0"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--limit", type=int, default=60)
    arguments.add_argument("--against", required=True, choices=sorted(PARTNERS), help="type of the other side's socket")
    arguments.add_argument("--connect", help="endpoint to attack")
    arguments.add_argument("--listen", help="endpoint to wait at")
    arguments.add_argument("--kind", choices=KINDS, help="with --listen: the attack")
    arguments.add_argument("--kinds", action="store_true", help="say all kinds, and end")
    options = arguments.parse_args()
    signal.alarm(options.limit)
    partner = PARTNERS[options.against]
    if options.kinds:
        say("kinds", kinds=list(KINDS))
    elif options.listen:
        listener = socket.create_server(split(options.listen))
        say("ready", endpoints={"socket": ["tcp://%s:%d" % listener.getsockname()[:2]]})
        threading.Thread(target=receive_visitors, args=(listener, options.kind, partner), daemon=True).start()
        sys.stdin.read()
    else:
        say("ready", endpoints={})
        visit(split(options.connect), partner)


main()
