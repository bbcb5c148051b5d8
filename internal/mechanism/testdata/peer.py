"""A socket of libzmq at the other end of a test.

The only argument is a JSON object:

  type          of the socket: PAIR, PUB or SUB
  bind, connect endpoint; one of them
  options       socket options by the names that pyzmq has for them; sequences are set one by one
  zap           the reply of the ZAP handler, as status code; without it there is no handler

It writes JSON lines: "ready" {endpoint}; "received" {frames}; "monitor" {name, value}; "zap" {frames}: what the
handler was asked. It obeys JSON lines: {"send": frames}. Frames are hexadecimal. It ends when standard input does, or
after a minute.
"""

import json
import os
import signal
import sys

import zmq
from zmq.utils.monitor import recv_monitor_message


def say(event, **fields):
    os.write(1, (json.dumps({"event": event, **fields}) + "\n").encode())


def hexadecimal(frames):
    return [frame.hex() for frame in frames]


def set_options(socket, options):
    for name, values in options.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                value = value.encode()
            socket.setsockopt(getattr(zmq, name), value)


def authenticate(handler, status):
    request = handler.recv_multipart()
    say("zap", frames=hexadecimal(request))
    handler.send_multipart([b"1.0", request[1], status.encode(), b"", b"", b""])


def main():
    signal.alarm(60)
    spec = json.loads(sys.argv[1])
    context = zmq.Context()
    poller = zmq.Poller()
    handler = context.socket(zmq.REP)
    if "zap" in spec:
        handler.bind("inproc://zeromq.zap.01")
        poller.register(handler, zmq.POLLIN)
    socket = context.socket(getattr(zmq, spec["type"]))
    socket.linger = 0
    set_options(socket, spec.get("options") or {})
    monitor = socket.get_monitor_socket()
    poller.register(monitor, zmq.POLLIN)
    if socket.type != zmq.PUB:
        poller.register(socket, zmq.POLLIN)
    if "bind" in spec:
        socket.bind(spec["bind"])
    else:
        socket.connect(spec["connect"])
    say("ready", endpoint=socket.getsockopt_string(zmq.LAST_ENDPOINT))
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    pending = b""
    while True:
        ready = dict(poller.poll())
        if handler in ready:
            authenticate(handler, spec["zap"])
        if monitor in ready:
            event = recv_monitor_message(monitor)
            say("monitor", name=zmq.Event(event["event"]).name, value=event["value"])
        if ready.get(socket):
            say("received", frames=hexadecimal(socket.recv_multipart()))
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 1 << 20)
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                socket.send_multipart([bytes.fromhex(frame) for frame in json.loads(line)["send"]])
    context.destroy(linger=0)


main()
