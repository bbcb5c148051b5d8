"""The four roles of a deployed Python service, and the wire that they speak; a service is a set of them."""

import json
import time

import zmq

import peer

# The wire: one frame of UTF-8. PUB and SUB: topic, one space, a JSON object. PUSH and PULL: a JSON object.


def encode(topic, message):
    return [f"{topic} {json.dumps(message)}".encode()]


def decode(frames):
    topic, _, text = frames[0].decode().partition(" ")
    return topic, json.loads(text)


def numbered(command, encoded):
    """The messages of a command: one, or "count" of them, numbered by the key "seq" from "first" on."""
    if "count" not in command:
        return [encoded(command["message"])]
    first = command.get("first", 0)
    numbers = range(first, first + command["count"])
    return (encoded({**command["message"], "seq": number}) for number in numbers)


class Publisher:
    """PUB. Sends heartbeats. Commands: publish {topic, message, count, first}."""

    def __init__(self, owner, options):
        self.name, self.topic = options.name, options.heartbeat_topic
        self.socket = owner.socket(zmq.PUB)
        owner.endpoints["pub"] = peer.attach(self.socket, options.pub)
        owner.commands["publish"] = self.publish
        if options.heartbeat > 0:
            owner.every(options.heartbeat, self.heartbeat)

    @staticmethod
    def arguments(add):
        add("--pub", required=True, help="address of PUB")
        add("--heartbeat", type=float, default=5.0, help="seconds between heartbeats; 0 is off")
        add("--heartbeat-topic", default="heartbeat")

    def heartbeat(self):
        beat = {"type": "Heartbeat", "timestamp": time.time(), "service": self.name, "state": "running"}
        self.socket.send_multipart(encode(self.topic, beat))

    def publish(self, command):
        return peer.sending(self.socket, numbered(command, lambda message: encode(command["topic"], message)))


class Subscriber:
    """SUB. Says "message" {topic, message}. Commands: subscribe {topic}, unsubscribe {topic}."""

    def __init__(self, owner, options):
        self.owner, self.tally = owner, owner.tally
        self.socket = owner.socket(zmq.SUB)
        for topic in options.topic:
            self.socket.setsockopt_string(zmq.SUBSCRIBE, topic)
        owner.endpoints["sub"] = peer.attach(self.socket, options.sub)
        owner.on_message(self.socket, self.receive)
        owner.commands["subscribe"] = lambda command: self.option(zmq.SUBSCRIBE, command)
        owner.commands["unsubscribe"] = lambda command: self.option(zmq.UNSUBSCRIBE, command)

    @staticmethod
    def arguments(add):
        add("--sub", required=True, help="address of SUB")
        add("--topic", action="append", default=[], help="a prefix to subscribe to; the empty one takes all")

    def option(self, name, command):
        self.socket.setsockopt_string(name, command["topic"])

    def receive(self, frames):
        try:
            topic, message = decode(frames)
        except ValueError as error:
            self.owner.say("malformed", role="sub", parts=len(frames), error=str(error))
            return
        if self.tally and "seq" in message:
            self.tally.add(message["seq"])
        else:
            self.owner.say("message", topic=topic, message=message, parts=len(frames))


class Pusher:
    """PUSH. Commands: push {message, count, first}."""

    def __init__(self, owner, options):
        self.owner, self.name = owner, options.name
        self.socket = owner.socket(zmq.PUSH)
        owner.endpoints["push"] = peer.attach(self.socket, options.push)
        owner.commands["push"] = self.push

    @staticmethod
    def arguments(add):
        add("--push", required=True, help="address of PUSH")

    def encode(self, message):
        return [json.dumps(message).encode()]

    def push(self, command):
        return peer.sending(self.socket, numbered(command, self.encode))

    def push_later(self, message):
        """Queues one message from within a handler."""
        self.owner.send(self.socket, [self.encode(message)])


class Puller:
    """PULL. Says "task" {message}, or has its handler called."""

    def __init__(self, owner, options):
        self.owner, self.tally = owner, owner.tally
        self.handle = None
        self.socket = owner.socket(zmq.PULL)
        owner.endpoints["pull"] = peer.attach(self.socket, options.pull)
        owner.on_message(self.socket, self.receive)

    @staticmethod
    def arguments(add):
        add("--pull", required=True, help="address of PULL")

    def receive(self, frames):
        try:
            message = json.loads(frames[0].decode())
        except ValueError as error:
            self.owner.say("malformed", role="pull", parts=len(frames), error=str(error))
            return
        if self.handle:
            self.handle(message)
        elif self.tally and "seq" in message:
            self.tally.add(message["seq"])
        else:
            self.owner.say("task", message=message, parts=len(frames))


def service(description, *kinds):
    """A service of the given roles, made from the command line: the peer and its roles in the same order."""
    arguments = peer.parser(description)
    arguments.add_argument("--name", default="python", help="name of the service")
    for kind in kinds:
        kind.arguments(arguments.add_argument)
    options = arguments.parse_args()
    owner = peer.Peer(options)
    owner.tally = peer.Tally(owner, options.tally) if options.tally else None
    return owner, *(kind(owner, options) for kind in kinds)
