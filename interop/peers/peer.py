"""What every peer shares: lines of JSON out, commands in, timers, sockets, and a limit on its life.

A peer is one process with one loop. It tells its test what happens, one JSON object a line on standard output,
each with an "event"; the first is "ready" with the endpoints it has bound. It takes commands from standard
input, one JSON object a line, each with a "do"; they are obeyed in order, and each is answered by an event
"done" when its work is complete. It ends when standard input closes, and in any case after --limit seconds.
"""

import argparse
import collections
import json
import os
import signal
import sys
import time

import zmq

STDIN = 0
PONG_TIMEOUT = 1000  # milliseconds without a sign of life after which a peer with --ping hangs up
BATCH = 1000  # messages taken from one socket before the others, the timers and the commands have their turn


class Peer:
    """The loop. Roles add sockets, commands and timers to it before run."""

    def __init__(self, options):
        # The signal's default action ends the process, also while it waits inside libzmq.
        signal.alarm(options.limit)
        self.context = zmq.Context()
        self.hwm = options.hwm
        self.ping = options.ping
        self.endpoints = {}
        self.commands = {"stop": self.stop}
        self.readers = {}
        self.timers = []
        self.jobs = collections.deque()
        self.blocked = None
        self.input = b""
        self.open = True
        self.linger = 0

    def say(self, event, **fields):
        """Writes one line. Never buffered: the test may be waiting for just this one."""
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()

    def socket(self, kind):
        """A socket with the options that all sockets of this peer have."""
        socket = self.context.socket(kind)
        if self.hwm is not None:
            socket.set_hwm(self.hwm)
        if self.ping:
            socket.setsockopt(zmq.HEARTBEAT_IVL, self.ping)
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, PONG_TIMEOUT)
        return socket

    def on_message(self, socket, handle):
        """Has handle(frames) called for each message of the socket."""
        self.readers[socket] = handle

    def every(self, seconds, function):
        """Has function() called at once and then every so many seconds, until it returns False."""
        self.timers.append([time.monotonic(), seconds, function])

    def send(self, socket, messages):
        """Queues messages (an iterable of lists of frames) behind the work already under way."""
        self.jobs.append(sending(socket, messages))

    def stop(self, command):
        """The command "stop": a clean end, with up to "linger" milliseconds to send what is queued."""
        self.linger = command.get("linger", 2000)
        self.open = False

    def run(self):
        """Serves until standard input closes or the command "stop" arrives."""
        self.say("ready", endpoints=self.endpoints)
        while self.open:
            self.work()
            if not self.open:
                break
            interests = {STDIN: zmq.POLLIN, **{socket: zmq.POLLIN for socket in self.readers}}
            if self.blocked is not None:
                interests[self.blocked] = interests.get(self.blocked, 0) | zmq.POLLOUT
            for source, events in zmq.zmq_poll(list(interests.items()), self.patience()):
                if source == STDIN:
                    self.read_commands()
                elif events & zmq.POLLIN:
                    receive(source, self.readers[source])
            self.ring()
        self.context.destroy(linger=self.linger)
        self.say("stopped")

    def work(self):
        """Goes on with the jobs, in order, until one has to wait for room in a socket."""
        self.blocked = None
        while self.jobs:
            self.blocked = next(self.jobs[0], None)
            if self.blocked is not None:
                return
            self.jobs.popleft()

    def read_commands(self):
        data = os.read(STDIN, 1 << 16)
        if not data:
            self.open = False
        *lines, self.input = (self.input + data).split(b"\n")
        self.jobs.extend(self.obey(json.loads(line)) for line in lines)

    def obey(self, command):
        """One command as a job. What it returns, if anything, is a generator that yields sockets to wait for."""
        yield from self.commands[command["do"]](command) or ()
        self.say("done", do=command["do"])

    def patience(self):
        """Milliseconds until the next timer; -1, for ever, where there is none."""
        if not self.timers:
            return -1
        return max(0, int(1000 * (min(at for at, _, _ in self.timers) - time.monotonic())) + 1)

    def ring(self):
        now = time.monotonic()
        for timer in [timer for timer in self.timers if timer[0] <= now]:
            timer[0] = now + timer[1]
            if timer[2]() is False:
                self.timers.remove(timer)


def sending(socket, messages):
    """Sends each message, yielding the socket whenever it has no room for the next."""
    for frames in messages:
        while True:
            try:
                socket.send_multipart(frames, zmq.DONTWAIT)
                break
            except zmq.Again:
                yield socket


def receive(socket, handle):
    """Hands over what the socket has, up to one batch."""
    for _ in range(BATCH):
        try:
            frames = socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return
        handle(frames)


def attach(socket, address):
    """Binds or connects the socket to each endpoint of a comma-separated address; returns what was bound.

    A leading @ binds and > connects; otherwise a wildcard host binds and any other connects.
    """
    bound = []
    for endpoint in filter(None, address.split(",")):
        if endpoint[0] == "@" or endpoint.startswith(("tcp://*:", "tcp://0.0.0.0:")):
            socket.bind(endpoint.lstrip("@"))
            bound.append(socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0"))
        else:
            socket.connect(endpoint.lstrip(">"))
    return bound


class Tally:
    """Counts numbered messages instead of printing them, and says "tally" when all expected ones are there."""

    def __init__(self, peer, expected):
        self.peer = peer
        self.expected = expected
        self.count = 0
        self.first = self.last = None
        self.ordered = True
        peer.commands["tally"] = lambda command: self.report()

    def add(self, number):
        self.count += 1
        if self.count == 1:
            self.first = number
        else:
            self.ordered = self.ordered and number > self.last
        self.last = number
        if self.count == self.expected:
            self.report()

    def report(self):
        """Says how many came, the first and the last, and whether each was above the one before."""
        self.peer.say("tally", count=self.count, first=self.first, last=self.last, ordered=self.ordered)


def parser(description):
    """The arguments that all peers take."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--limit", type=int, default=60, help="seconds after which the peer is ended, come what may")
    arguments.add_argument("--hwm", type=int, help="high-water mark of all sockets; 0 is none (default: libzmq's 1000)")
    arguments.add_argument("--ping", type=int, default=0, help="milliseconds between ZMTP heartbeats; 0 is off")
    arguments.add_argument("--tally", type=int, help="count messages, do not print them; report at this many")
    return arguments
