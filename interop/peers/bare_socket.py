"""One socket of libzmq, without a service: PUB, SUB, PUSH or PULL, any number of frames of any size.

Commands: send {frames, count}, burst {count, first, size}, subscribe {topic}, unsubscribe {topic}, beat {text}, quiet,
pause.
A frame is {"text": …} or {"size": n, "seed": s}: n bytes, of which number i is (i + s) modulo 251.
Says "received" {frames: [{size, crc32, text}]} for each message; text only where it is short and UTF-8.
A burst is of messages that begin with their number in twelve digits; --tally counts such messages.
--beat sends a text every ten milliseconds until "quiet": whoever has received it is connected and subscribed. The
command beat changes the text. A receiver told to pause receives no more: its queues fill.
"""

import zlib

import zmq

import peer

PATTERN = bytes(range(251))


def frame(description):
    if "text" in description:
        return description["text"].encode()
    size, seed = description["size"], description["seed"] % len(PATTERN)
    return (PATTERN * (size // len(PATTERN) + 2))[seed : seed + size]


def describe(data):
    description = {"size": len(data), "crc32": zlib.crc32(data)}
    if len(data) <= 300:
        try:
            description["text"] = data.decode()
        except UnicodeDecodeError:
            pass
    return description


class BareSocket:
    """The socket, its commands and its reports."""

    def __init__(self, owner, options):
        self.owner, self.beat = owner, options.beat
        self.tally = peer.Tally(owner, options.tally) if options.tally else None
        self.socket = owner.socket(getattr(zmq, options.type))
        for topic in options.subscribe:
            self.socket.setsockopt_string(zmq.SUBSCRIBE, topic)
        owner.endpoints["socket"] = peer.attach(self.socket, options.address)
        if options.type in ("SUB", "PULL"):
            owner.on_message(self.socket, self.receive)
        if self.beat:
            owner.every(0.01, self.send_beat)
        owner.commands.update(send=self.send, burst=self.burst, beat=self.set_beat, quiet=self.quiet, pause=self.pause)
        owner.commands["subscribe"] = lambda command: self.option(zmq.SUBSCRIBE, command)
        owner.commands["unsubscribe"] = lambda command: self.option(zmq.UNSUBSCRIBE, command)

    def send(self, command):
        frames = [frame(description) for description in command["frames"]]
        return peer.sending(self.socket, (frames for _ in range(command.get("count", 1))))

    def burst(self, command):
        first, size = command.get("first", 0), command.get("size", 12)
        numbers = range(first, first + command["count"])
        return peer.sending(self.socket, ([b"%012d" % number + bytes(size - 12)] for number in numbers))

    def send_beat(self):
        """Sends one beat; False, which ends them, once they were told to be quiet."""
        if not self.beat:
            return False
        try:
            self.socket.send_string(self.beat, zmq.DONTWAIT)
        except zmq.Again:
            pass  # nobody is there yet
        return True

    def set_beat(self, command):
        self.beat = command["text"]

    def quiet(self, command):
        self.beat = None

    def pause(self, command):
        self.owner.readers.pop(self.socket)

    def option(self, name, command):
        self.socket.setsockopt_string(name, command["topic"])

    def receive(self, frames):
        if self.tally:
            self.tally.add(int(frames[0][:12]))
        else:
            self.owner.say("received", frames=[describe(data) for data in frames])


def arguments(description):
    """The command line of a bare socket."""
    parser = peer.parser(description)
    parser.add_argument("--type", required=True, choices=["PUB", "SUB", "PUSH", "PULL"])
    parser.add_argument("--address", required=True, help="endpoints, with @ to bind and > to connect")
    parser.add_argument("--subscribe", action="append", default=[], help="a prefix to subscribe to")
    parser.add_argument("--beat", help="a text to send again and again until quiet")
    return parser


if __name__ == "__main__":
    options = arguments(__doc__).parse_args()
    process = peer.Peer(options)
    BareSocket(process, options)
    process.run()
