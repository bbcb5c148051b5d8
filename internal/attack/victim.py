# The victim with a socket of libzmq: see victim.go.
import json, os, resource, sys, threading, time
import zmq

s = json.loads(sys.argv[1])
if s["Descriptors"]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (s["Descriptors"], s["Descriptors"]))
status_file = os.open("/proc/self/status", os.O_RDONLY)
fd_folder = os.open("/proc/self/fd", os.O_RDONLY)
context = zmq.Context()
socket = context.socket({"PUB": zmq.PUB, "PULL": zmq.PULL, "PUSH": zmq.PUSH}[s["Kind"]])
if s["Secret"]:
    socket.curve_server = True
    socket.curve_secretkey = s["Secret"].encode()
    socket.curve_publickey = s["Public"].encode()
socket.linger = 0
for endpoint in s["Connect"] or []:
    socket.connect(endpoint)
endpoint = "-"
if not s["Connect"]:
    socket.bind("tcp://127.0.0.1:*")
    endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
worst, sending, received, honest = 0.0, 0.0, 0, set()


def tick():
    global worst, sending
    while True:
        start = sending = time.perf_counter()
        socket.send(b"tick")
        sending = 0.0
        worst = max(worst, time.perf_counter() - start)
        time.sleep(0.001)


def receive():
    global received
    while True:
        frames = socket.recv_multipart(copy=False)
        received += 1
        body = frames[0].bytes if len(frames[0]) < 100 else b""
        if body.startswith(b"honest "):
            honest.add(body)


def run(f):
    threading.Thread(target=f, daemon=True).start()


if s["Kind"] == "PUB":
    run(tick)
if s["Receive"]:
    run(receive)
print(endpoint, flush=True)
for line in sys.stdin:
    if line.strip() == "receive":
        run(receive)
        continue
    status = dict(l.split(":", 1) for l in os.pread(status_file, 8192, 0).decode().splitlines() if ":" in l)
    if sending:
        worst = max(worst, time.perf_counter() - sending)
    use = resource.getrusage(resource.RUSAGE_SELF)
    try:
        descriptors = len(os.listdir("/proc/self/fd"))
    except OSError:
        descriptors = s["Descriptors"]
    print(json.dumps({
        "WorstSend": worst * 1000, "Peak": int(status["VmHWM"].split()[0]) * 1024, "Descriptors": descriptors,
        "Threads": int(status["Threads"]), "Processor": int((use.ru_utime + use.ru_stime) * 1000),
        "Received": received, "Honest": len(honest),
    }), flush=True)
    worst = 0.0
os._exit(0)
