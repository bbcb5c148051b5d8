/*
 * One socket of libzmq in a soak. It takes the arguments and commands, and writes the events, of package peer, whose message.go
 * has the rules for messages. "calls" means nothing here. A REQ gives a request up after GIVE_UP.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { HEADER = 24, MAX_FRAMES = 16, BATCH = 16, SLOW_AFTER = 64, BURST = 20, GIVE_UP = 500, MAX_STREAMS = 4096, LINE = 1 << 12 };

static void *socket_;
static int type = -1, rate, slow;
static uint64_t base;
static const char *shape = "small";
static int begun, stopped, waiting, handled;
static uint64_t number, asked_at; /* of the next message of its own accord; when the last request was sent */

static void fail(const char *what)
{
	printf("fault %s: %s\n", what, zmq_strerror(errno));
	fflush(stdout);
	exit(1);
}

static void check(const char *what, int rc)
{
	if (rc < 0)
		fail(what);
}

static uint64_t now(void) /* in milliseconds */
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* Messages. */

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static int sizes(uint64_t stream, uint64_t n, size_t *into)
{
	uint64_t h = mix(stream << 32 ^ n);
	int frames = 1;
	if (!strcmp(shape, "mixed"))
		into[0] = HEADER + (h % 64 == 0 ? (h >> 8) % (64 << 10) : (h >> 8) % 1000);
	else if (!strcmp(shape, "large"))
		into[0] = HEADER + (h % 32 == 0 ? (h >> 8) % (1 << 20) : (h >> 8) % (32 << 10));
	else if (!strcmp(shape, "parts")) {
		into[0] = HEADER + (h >> 8) % 256;
		for (unsigned i = 0; i < h % 4; i++) {
			int size = (int)((h >> (16 + 8 * i)) % 320) - 64;
			into[frames++] = size < 0 ? 0 : size;
		}
	} else
		into[0] = HEADER + h % 100;
	return frames;
}

static unsigned char fill(uint64_t n, int frame)
{
	return n * 31 + frame;
}

static void put(unsigned char *to, uint64_t value, int bytes)
{
	while (bytes--)
		to[bytes] = value, value >>= 8;
}

static uint64_t get(const unsigned char *from, int bytes)
{
	uint64_t value = 0;
	while (bytes--)
		value = value << 8 | *from++;
	return value;
}

/* send_numbered sends a message behind a frame, which may be NULL; it returns 0 if the socket does not take it. */
static int send_numbered(uint64_t stream, uint64_t n, const void *before, size_t before_size)
{
	size_t size[MAX_FRAMES], total = 0;
	int frames = sizes(stream, n, size);
	for (int i = 0; i < frames; i++)
		total += size[i];
	if (before && zmq_send(socket_, before, before_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
		if (errno == EAGAIN || errno == EHOSTUNREACH || errno == EFSM)
			return 0;
		fail("answer");
	}
	for (int i = 0; i < frames; i++) {
		zmq_msg_t msg;
		zmq_msg_init_size(&msg, size[i]);
		unsigned char *data = zmq_msg_data(&msg);
		memset(data, fill(n, i), size[i]);
		if (i == 0) {
			put(data, stream, 8);
			put(data + 8, n, 8);
			put(data + 16, total, 4);
			put(data + 20, frames, 4);
		}
		if (zmq_msg_send(&msg, socket_, ZMQ_DONTWAIT | (i < frames - 1 ? ZMQ_SNDMORE : 0)) < 0) {
			zmq_msg_close(&msg);
			if (i == 0 && !before && (errno == EAGAIN || errno == EFSM))
				return 0;
			fail("send");
		}
	}
	printf("sent %llu %llu\n", (unsigned long long)stream, (unsigned long long)n + 1);
	return 1;
}

static void damaged(uint64_t stream, uint64_t n)
{
	printf("fault message %llu of stream %llu is damaged\n", (unsigned long long)n, (unsigned long long)stream);
}

/* take checks and reports a message. */
static uint64_t take(zmq_msg_t *msg, int frames, uint64_t *n)
{
	unsigned char *h = zmq_msg_data(msg);
	size_t total = 0;
	if (frames < 1 || zmq_msg_size(msg) < HEADER) {
		printf("fault a message without a header\n");
		return 0;
	}
	uint64_t stream = get(h, 8);
	*n = get(h + 8, 8);
	for (int i = 0; i < frames; i++) {
		unsigned char *data = zmq_msg_data(&msg[i]);
		size_t size = zmq_msg_size(&msg[i]), skip = i == 0 ? HEADER : 0;
		total += size;
		if (size > skip && (data[skip] != fill(*n, i) || memcmp(data + skip, data + skip + 1, size - skip - 1)))
			damaged(stream, *n);
	}
	if (total != get(h + 16, 4) || frames != (int)get(h + 20, 4))
		damaged(stream, *n);
	printf("got %llu %llu 0\n", (unsigned long long)stream, (unsigned long long)*n);
	return stream;
}

/* What a socket answers: the number of the next answer to each stream. */
static uint64_t answered[MAX_STREAMS][2];

static void answer(uint64_t asked, const void *before, size_t size)
{
	int i = 0;
	while (answered[i][0] && answered[i][0] != asked)
		i++;
	answered[i][0] = asked;
	if (send_numbered(base << 32 | asked >> 32, answered[i][1], before, size))
		answered[i][1]++;
}

/* receive takes one message; it returns 0 if there is none. */
static int receive(void)
{
	zmq_msg_t msg[MAX_FRAMES];
	int frames = 0;
	uint64_t n = 0, stream;
	unsigned char label[8];
	do {
		zmq_msg_init(&msg[frames]);
		if (zmq_msg_recv(&msg[frames], socket_, ZMQ_DONTWAIT) < 0) {
			if (errno == EAGAIN || errno == EFSM)
				return 0;
			fail("receive");
		}
	} while (zmq_msg_more(&msg[frames++]) && frames < MAX_FRAMES);
	switch (type) {
	case ZMQ_XPUB: /* a subscription */
		break;
	case ZMQ_ROUTER:
		stream = take(msg + 1, frames - 1, &n);
		answer(stream, zmq_msg_data(msg), zmq_msg_size(msg));
		break;
	case ZMQ_REP:
		stream = take(msg, frames, &n);
		put(label, n, 8);
		answer(stream, label, sizeof label);
		break;
	case ZMQ_REQ:
		take(msg + 1, frames - 1, &n);
		if (get(zmq_msg_data(msg), 8) != number - 1)
			printf("fault a reply to another request than the last\n");
		waiting = 0;
		break;
	default:
		take(msg, frames, &n);
	}
	for (int i = 0; i < frames; i++)
		zmq_msg_close(&msg[i]);
	if (++handled % SLOW_AFTER == 0 && slow)
		usleep(slow * 1000);
	return 1;
}

/* send_own sends what is due of the peer's own accord. */
static void send_own(void)
{
	static uint64_t burst;
	static int left;
	if (!begun || stopped || !rate || type == ZMQ_ROUTER || type == ZMQ_REP || type == ZMQ_PULL || type == ZMQ_SUB || type == ZMQ_XSUB)
		return;
	if (now() - burst >= BURST) {
		burst = now();
		left = rate * BURST / 1000 ? rate * BURST / 1000 : 1;
	}
	if (type == ZMQ_REQ && waiting && now() - asked_at >= GIVE_UP) {
		printf("lost\n");
		waiting = 0;
	}
	while (left > 0 && !(type == ZMQ_REQ && waiting) && send_numbered(base << 32, number, NULL, 0)) {
		number++;
		left--;
		waiting = 1;
		asked_at = now();
	}
}

/* Commands. obey returns the linger time of a close, and -1 for all others. */

static int obey(const char *line)
{
	if (!strcmp(line, "begin"))
		begun = 1;
	else if (!strcmp(line, "stop"))
		stopped = 1;
	else if (!strncmp(line, "close ", 6))
		return atoi(line + 6);
	else {
		errno = EINVAL;
		fail(line);
	}
	return -1;
}

static int read_commands(void)
{
	static char lines[LINE];
	static size_t filled;
	ssize_t n = read(STDIN_FILENO, lines + filled, sizeof lines - filled);
	if (n <= 0)
		exit(1);
	filled += n;
	char *start = lines, *end;
	while ((end = memchr(start, '\n', lines + filled - start))) {
		*end = 0;
		int linger = obey(start);
		if (linger >= 0)
			return linger;
		start = end + 1;
	}
	filled = lines + filled - start;
	memmove(lines, start, filled);
	return -1;
}

static int serve(void)
{
	zmq_pollitem_t items[] = {{NULL, STDIN_FILENO, ZMQ_POLLIN, 0}, {socket_, 0, ZMQ_POLLIN, 0}};
	int receives = type != ZMQ_PUSH && type != ZMQ_PUB, told = 0;
	for (;;) {
		int sends = begun && !stopped && rate;
		check("poll", zmq_poll(items, receives ? 2 : 1, sends ? BURST / 4 : 100));
		if (items[0].revents) {
			int linger = read_commands();
			if (linger >= 0)
				return linger;
		}
		for (int i = 0; receives && i < BATCH && receive(); i++)
			;
		send_own();
		if (type == ZMQ_REQ && waiting && stopped && now() - asked_at >= GIVE_UP) {
			printf("lost\n");
			waiting = 0;
		}
		if (stopped && !told && !(type == ZMQ_REQ && waiting)) {
			told = 1;
			printf("stopped\n");
		}
		fflush(stdout);
	}
}

static void set(int option, int value)
{
	check("option", zmq_setsockopt(socket_, option, &value, sizeof value));
}

static int type_of(const char *name)
{
	static const struct {
		const char *name;
		int type;
	} types[] = {
		{"PUB", ZMQ_PUB}, {"SUB", ZMQ_SUB}, {"PUSH", ZMQ_PUSH}, {"PULL", ZMQ_PULL}, {"REQ", ZMQ_REQ},
		{"REP", ZMQ_REP}, {"DEALER", ZMQ_DEALER}, {"ROUTER", ZMQ_ROUTER}, {"PAIR", ZMQ_PAIR}, {"XPUB", ZMQ_XPUB}, {"XSUB", ZMQ_XSUB},
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(types[i].name, name))
			return types[i].type;
	errno = EINVAL;
	fail(name);
	return -1;
}

/* configure obeys one argument. bind and connect come after everything else. */
static void configure(const char *name, const char *value, int joining)
{
	static const struct {
		const char *name;
		int option;
	} numbers[] = {
		{"sendhwm", ZMQ_SNDHWM}, {"recvhwm", ZMQ_RCVHWM}, {"heartbeat", ZMQ_HEARTBEAT_IVL}, {"timeout", ZMQ_HEARTBEAT_TIMEOUT},
	};
	static const struct {
		const char *name;
		int option;
	} flags[] = {{"immediate", ZMQ_IMMEDIATE}, {"handover", ZMQ_ROUTER_HANDOVER}, {"nodrop", ZMQ_XPUB_NODROP}};
	if (joining) {
		if (!strcmp(name, "bind"))
			check(value, zmq_bind(socket_, value));
		else if (!strcmp(name, "connect"))
			check(value, zmq_connect(socket_, value));
		return;
	}
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!strcmp(name, numbers[i].name))
			set(numbers[i].option, atoi(value));
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (!strcmp(name, "flag") && !strcmp(value, flags[i].name))
			set(flags[i].option, 1);
	if (!strcmp(name, "base"))
		base = strtoull(value, NULL, 10);
	else if (!strcmp(name, "shape"))
		shape = value;
	else if (!strcmp(name, "rate"))
		rate = atoi(value);
	else if (!strcmp(name, "slow"))
		slow = atoi(value);
	else if (!strcmp(name, "identity"))
		check(name, zmq_setsockopt(socket_, ZMQ_ROUTING_ID, value, strlen(value)));
	else if (!strcmp(name, "secret"))
		check(name, zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, value, strlen(value)));
	else if (!strcmp(name, "public"))
		check(name, zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, value, strlen(value)));
	else if (!strcmp(name, "server"))
		check(name, zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, value, strlen(value)));
}

int main(int argc, char **argv)
{
	void *context = zmq_ctx_new();
	char *names[64], *values[64], endpoint[256] = "";
	size_t size = sizeof endpoint;
	int secret = 0, server = 0, bound = 0;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (int i = 1; i < argc && i < 64; i++) {
		names[i] = argv[i];
		if (!(values[i] = strchr(argv[i], '='))) {
			errno = EINVAL;
			fail(argv[i]);
		}
		*values[i]++ = 0;
		secret |= !strcmp(names[i], "secret");
		server |= !strcmp(names[i], "server");
		bound |= !strcmp(names[i], "bind");
		if (!strcmp(names[i], "type"))
			type = type_of(values[i]);
	}
	socket_ = zmq_socket(context, type);
	set(ZMQ_RECONNECT_IVL, 10);
	set(ZMQ_RECONNECT_IVL_MAX, 100);
	if (type == ZMQ_ROUTER)
		set(ZMQ_ROUTER_MANDATORY, 1);
	if (type == ZMQ_REQ) {
		set(ZMQ_REQ_RELAXED, 1);
		set(ZMQ_REQ_CORRELATE, 1);
	}
	if (type == ZMQ_SUB)
		check("subscribe", zmq_setsockopt(socket_, ZMQ_SUBSCRIBE, "", 0));
	if (secret && !server)
		set(ZMQ_CURVE_SERVER, 1);
	if (type == ZMQ_XSUB)
		check("subscribe", zmq_send(socket_, "\1", 1, 0));
	for (int joining = 0; joining < 2; joining++)
		for (int i = 1; i < argc && i < 64; i++)
			configure(names[i], values[i], joining);
	if (bound)
		check("endpoint", zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, endpoint, &size));
	printf("ready %s\n", endpoint);
	fflush(stdout);
	int linger = serve();
	set(ZMQ_LINGER, linger);
	zmq_close(socket_);
	zmq_ctx_term(context);
	printf("closed\n");
	fflush(stdout);
	return 0;
}
