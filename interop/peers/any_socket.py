"""One socket of libzmq, of any type. It takes the arguments, obeys the lines and says the lines of ../libzmq/peer.c."""

import os
import signal
import sys
import threading
import time
import zlib

import zmq
from zmq.utils.monitor import recv_monitor_message

import peer

LIMIT = 300
PATIENCE = 60_000
BEAT = 10
PATTERN = bytes(range(251))
EVENTS = {
    zmq.EVENT_CONNECTED: "connected",
    zmq.EVENT_ACCEPTED: "accepted",
    zmq.EVENT_DISCONNECTED: "disconnected",
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "handshake succeeded",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshake failed",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "handshake failed",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "handshake failed",
}


def authenticate(handler, credentials):
    """The ZAP handler (RFC 27), a thread of its own: the socket may wait for the peer that it is to let in."""
    while True:
        try:
            _, request, _, _, _, mechanism, *given = handler.recv_multipart()
        except zmq.ContextTerminated:
            handler.close()
            return
        known = mechanism != b"PLAIN" or given == credentials
        handler.send_multipart([b"1.0", request, b"200" if known else b"400", b"", b"", b""])


def frame(description):
    if description.startswith("="):
        return description[1:].encode()
    size, seed = map(int, description.split(":"))
    seed %= len(PATTERN)
    return (PATTERN * (size // len(PATTERN) + 2))[seed : seed + size]


def describe(data):
    description = {"size": len(data), "crc32": zlib.crc32(data)}
    if len(data) <= 300 and data.isascii() and data.decode().isprintable():
        description["text"] = data.decode()
    return description


class AnySocket:
    """The socket, the lines it obeys, and its reports."""

    def __init__(self, owner, arguments):
        self.owner, self.beat, self.open = owner, None, True
        arguments = dict(arguments)
        self.socket = owner.context.socket(getattr(zmq, arguments.pop("type")))
        self.socket.linger, self.socket.sndtimeo = 0, PATIENCE
        bind, connect = arguments.pop("bind", None), arguments.pop("connect", None)
        self.echo = arguments.pop("echo", False)
        self.monitor = self.socket.get_monitor_socket() if arguments.pop("monitor", None) else None
        if credentials := arguments.pop("zap", None):
            handler = owner.context.socket(zmq.REP)
            handler.bind("inproc://zeromq.zap.01")
            credentials = [part.encode() for part in credentials.split(":")]
            threading.Thread(target=authenticate, args=(handler, credentials)).start()
        for name, value in arguments.items():
            self.option(name, value)
        owner.endpoints["socket"] = peer.attach(self.socket, "@" + bind if bind else ">" + connect)

    def option(self, name, value):
        if name == "SUBSCRIBE" and self.socket.type == zmq.XSUB:
            self.socket.send(b"\1" + value.encode())
        else:
            self.socket.setsockopt(getattr(zmq, name), int(value) if value.isdigit() else value.encode())

    def run(self):
        self.owner.say("ready", endpoints=self.owner.endpoints)
        poller, pending = zmq.Poller(), b""
        poller.register(sys.stdin.fileno(), zmq.POLLIN)
        if self.socket.type not in (zmq.PUB, zmq.PUSH):
            poller.register(self.socket, zmq.POLLIN)
        if self.monitor:
            poller.register(self.monitor, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(BEAT if self.beat else None))
            if self.socket in ready:
                self.receive()
            if self.monitor in ready and (kind := EVENTS.get(recv_monitor_message(self.monitor)["event"])):
                self.owner.say("monitor", kind=kind)
            if sys.stdin.fileno() in ready:
                data = os.read(sys.stdin.fileno(), 1 << 16)
                if not data:
                    return self.close()
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self.obey(*line.decode().split())
            if self.beat:
                try:
                    self.socket.send_string(self.beat, zmq.DONTWAIT)
                except zmq.Again:
                    pass  # nobody is there yet

    def close(self):
        self.socket.close()
        if self.monitor:
            self.monitor.close()

    def obey(self, word, *rest):
        if word == "send":
            self.send([frame(description) for description in rest])
        elif word == "many":
            for _ in range(int(rest[0])):
                self.send([frame(description) for description in rest[1:]])
        elif word in ("beat", "quiet"):
            self.beat = " ".join(rest)
        elif word in ("echo", "report"):
            self.echo = word == "echo"
        else:
            sys.exit(f"what is {word}?")
        self.owner.say("done", do=word)

    def send(self, frames):
        while True:
            try:
                self.socket.send_multipart(frames)
                return
            except zmq.ZMQError as e:
                if e.errno != zmq.EHOSTUNREACH:
                    raise
                time.sleep(BEAT / 1000)  # a ROUTER has no such peer yet

    def receive(self):
        """Takes all that has come."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.ZMQError as e:
                if e.errno in (zmq.EAGAIN, zmq.EFSM):  # a REP that owes a reply receives nothing
                    return
                raise
            if self.echo:
                self.socket.send_multipart(frames)
            else:
                self.owner.say("received", frames=[describe(data) for data in frames])


class Owner:
    """What sockets of one process share."""

    def __init__(self):
        self.context, self.endpoints = zmq.Context(), {}

    say = peer.Peer.say


if __name__ == "__main__":
    signal.alarm(LIMIT)
    owner = Owner()
    AnySocket(owner, [argument.split("=", 1) for argument in sys.argv[1:]]).run()
    owner.context.term()
