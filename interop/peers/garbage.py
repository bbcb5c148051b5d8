"""A bare socket, PUB or PUSH, with one more command: garbage, which sends what no service may ever send.

Says "garbage" {count} with the number of messages. Each is wrong for one reason; the names below are the reasons.
"""

import bare_socket
import peer

# Wrong as a JSON object, wherever it stands.
OBJECTS = {
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "empty": b"",
    "words": b"not JSON at all",
    "an array": b"[1, 2]",
    "a string": b'"text"',
    "a number": b"12",
    "null": b"null",
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "cut off": b'{"a": {"b": 1',
    "more behind it": b'{"a": 1} {"b": 2}',
    "a bare name": b"{a: 1}",
    "single quotes": b"{'a': 1}",
    "zero bytes": bytes(64),
    "a control character": b'{"a": "\n"}',
    "a deep hole": b'{"a": ' + b"[" * 50000 + b"]" * 50000 + b"}",
    "long": b"x" * (1 << 20),
}

# Wrong as a publication, whatever the object.
PUBLICATIONS = {
    "nothing": b"",
    "no space": b"topic",
    "no topic before the object": b'{"a":1}',
    "a topic that is not UTF-8": b'\xff\xfe {"a": 1}',
}

# One message is one frame.
MULTIPART = {
    "cut in two": lambda good: [good[:-1], good[-1:]],
    "an empty frame behind": lambda good: [good, b""],
    "an empty frame before": lambda good: [b"", good],
    "the same twice": lambda good: [good, good],
    "three empty frames": lambda good: [b"", b"", b""],
}


def catalogue(kind):
    """All wrong messages for one type of socket."""
    prefix = b"topic " if kind == "PUB" else b""
    single = [prefix + data for data in OBJECTS.values()]
    if kind == "PUB":
        single += PUBLICATIONS.values()
    return [[data] for data in single] + [cut(prefix + b'{"a": 1}') for cut in MULTIPART.values()]


options = bare_socket.arguments(__doc__).parse_args()
process = peer.Peer(options)
sender = bare_socket.BareSocket(process, options)


def garbage(command):
    messages = catalogue(options.type)
    process.say("garbage", count=len(messages))
    return peer.sending(sender.socket, messages)


process.commands["garbage"] = garbage
process.run()
