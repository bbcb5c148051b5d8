/*
 * One socket of libzmq, of any type, at the other end of a test.
 *
 *     peer type=DEALER connect=tcp://127.0.0.1:5555 [echo=1] [monitor=1]
 *          [zap=name:password | refuse=status] [OPTION=value ...]
 *
 * Instead of connect, bind. OPTION is a socket option's name without ZMQ_; ../peers/any_socket.py knows the same ones.
 * zap starts a handler that lets in this name with this password, and any key; refuse one that answers everybody with this
 * status. With echo each message goes back whole,
 * routing id and all; without, it is reported. An XSUB's SUBSCRIBE is sent as a message.
 *
 * It obeys lines on standard input:
 *
 *     send FRAME ...    one message; a FRAME is =text, or size:seed for that many bytes of which number i is (i + seed)
 *                       modulo 251. It waits until there is a peer for it, also where a ROUTER has none of this name yet
 *     many N FRAME ...  N such messages
 *     beat TEXT, quiet  sends a text every ten milliseconds, and ends that
 *     echo, report      begins to send messages back, or to report them
 *
 * and writes lines of JSON: "ready" {endpoints}, "done" {do} after each line it has obeyed, "received" {frames: [{size,
 * crc32, text}]}, "monitor" {kind}. Text is left out where it is long or not plain. It ends with its standard input, and
 * in any case after five minutes.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { LIMIT = 300, MAX_FRAMES = 64, MAX_TEXT = 300, LINE = 1 << 16, PATIENCE = 60000, BEAT = 10 };

struct name {
	const char *name;
	int value;
	int number; /* an option's value is a number, not bytes */
};

static const struct name types[] = {
	{"PUB", ZMQ_PUB},   {"SUB", ZMQ_SUB},   {"XPUB", ZMQ_XPUB},     {"XSUB", ZMQ_XSUB},     {"PUSH", ZMQ_PUSH}, {"PULL", ZMQ_PULL},
	{"REQ", ZMQ_REQ},   {"REP", ZMQ_REP},   {"DEALER", ZMQ_DEALER}, {"ROUTER", ZMQ_ROUTER}, {"PAIR", ZMQ_PAIR}, {NULL},
};

static const struct name options[] = {
	{"ROUTING_ID", ZMQ_ROUTING_ID, 0},
	{"SUBSCRIBE", ZMQ_SUBSCRIBE, 0},
	{"ROUTER_MANDATORY", ZMQ_ROUTER_MANDATORY, 1},
	{"RECONNECT_IVL", ZMQ_RECONNECT_IVL, 1},
	{"ZAP_DOMAIN", ZMQ_ZAP_DOMAIN, 0},
	{"LINGER", ZMQ_LINGER, 1},
	{"RCVHWM", ZMQ_RCVHWM, 1},
	{"SNDHWM", ZMQ_SNDHWM, 1},
	{"RCVBUF", ZMQ_RCVBUF, 1},
	{"SNDBUF", ZMQ_SNDBUF, 1},
	{"HEARTBEAT_IVL", ZMQ_HEARTBEAT_IVL, 1},
	{"HEARTBEAT_TIMEOUT", ZMQ_HEARTBEAT_TIMEOUT, 1},
	{"HEARTBEAT_TTL", ZMQ_HEARTBEAT_TTL, 1},
	{"PLAIN_SERVER", ZMQ_PLAIN_SERVER, 1},
	{"PLAIN_USERNAME", ZMQ_PLAIN_USERNAME, 0},
	{"PLAIN_PASSWORD", ZMQ_PLAIN_PASSWORD, 0},
	{"CURVE_SERVER", ZMQ_CURVE_SERVER, 1},
	{"CURVE_PUBLICKEY", ZMQ_CURVE_PUBLICKEY, 0},
	{"CURVE_SECRETKEY", ZMQ_CURVE_SECRETKEY, 0},
	{"CURVE_SERVERKEY", ZMQ_CURVE_SERVERKEY, 0},
	{NULL},
};

static const struct name events[] = {
	{"connected", ZMQ_EVENT_CONNECTED},
	{"accepted", ZMQ_EVENT_ACCEPTED},
	{"disconnected", ZMQ_EVENT_DISCONNECTED},
	{"handshake succeeded", ZMQ_EVENT_HANDSHAKE_SUCCEEDED},
	{"handshake failed", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL},
	{"handshake failed", ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL},
	{"handshake failed", ZMQ_EVENT_HANDSHAKE_FAILED_AUTH},
	{NULL},
};

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, zmq_strerror(errno));
	exit(1);
}

static void check(const char *what, int rc)
{
	if (rc < 0)
		fail(what);
}

static const struct name *find(const struct name *table, const char *name, size_t length)
{
	for (; table->name; table++)
		if (strlen(table->name) == length && !memcmp(table->name, name, length))
			return table;
	errno = EINVAL;
	fail(name);
	return NULL;
}

static uint32_t crc32(const unsigned char *data, size_t size)
{
	static uint32_t table[256];
	uint32_t crc = 0xffffffff;
	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;
			for (int bit = 0; bit < 8; bit++)
				c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
			table[i] = c;
		}
	for (size_t i = 0; i < size; i++)
		crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

/* plain tells whether text can stand in JSON as it is. */
static int plain(const unsigned char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return 0;
	return size <= MAX_TEXT;
}

/* The ZAP handler (RFC 27), a thread of its own: the socket may wait for the peer that it is to let in. */

struct zap {
	void *handler;
	const char *name, *password;
	const char *status; /* for everybody; NULL: as name and password are right */
};

static int equal(zmq_msg_t *frame, const char *text, size_t length)
{
	return zmq_msg_size(frame) == length && !memcmp(zmq_msg_data(frame), text, length);
}

static void authenticate(void *arg)
{
	enum { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, NAME, PASSWORD };
	struct zap *zap = arg;
	for (;;) {
		zmq_msg_t frames[MAX_FRAMES];
		int n = 0;
		do {
			zmq_msg_init(&frames[n]);
			if (zmq_msg_recv(&frames[n], zap->handler, 0) < 0) { /* the context ends */
				zmq_close(zap->handler);
				return;
			}
		} while (zmq_msg_more(&frames[n++]) && n < MAX_FRAMES);
		int known = zap->status || !equal(&frames[MECHANISM], "PLAIN", 5) ||
			(n > PASSWORD && equal(&frames[NAME], zap->name, strlen(zap->name)) &&
			 equal(&frames[PASSWORD], zap->password, strlen(zap->password)));
		zmq_send(zap->handler, "1.0", 3, ZMQ_SNDMORE);
		zmq_msg_send(&frames[REQUEST], zap->handler, ZMQ_SNDMORE);
		zmq_send(zap->handler, zap->status ? zap->status : known ? "200" : "400", 3, ZMQ_SNDMORE);
		zmq_send(zap->handler, "", 0, ZMQ_SNDMORE);
		zmq_send(zap->handler, "", 0, ZMQ_SNDMORE);
		zmq_send(zap->handler, "", 0, 0);
		for (int i = 0; i < n; i++)
			zmq_msg_close(&frames[i]);
	}
}

static void *start_zap(void *context, struct zap *zap)
{
	zap->handler = zmq_socket(context, ZMQ_REP);
	check("zap", zmq_bind(zap->handler, "inproc://zeromq.zap.01"));
	return zmq_threadstart(authenticate, zap);
}

/* Sending and receiving. */

struct peer {
	void *socket;
	int echo;
	char beat[MAX_TEXT]; /* empty: none */
};

static void send_frame(struct peer *p, const char *frame, int flags)
{
	zmq_msg_t msg;
	if (*frame == '=') {
		zmq_msg_init_size(&msg, strlen(frame + 1));
		memcpy(zmq_msg_data(&msg), frame + 1, strlen(frame + 1));
	} else {
		char *end;
		size_t size = strtoull(frame, &end, 10), seed = strtoull(end + 1, NULL, 10) % 251;
		zmq_msg_init_size(&msg, size);
		unsigned char *data = zmq_msg_data(&msg);
		for (size_t i = 0; i < size; i++, seed = seed == 250 ? 0 : seed + 1)
			data[i] = seed;
	}
	while (zmq_msg_send(&msg, p->socket, flags) < 0) {
		if (errno != EHOSTUNREACH)
			fail("send");
		zmq_poll(NULL, 0, BEAT); /* a ROUTER has no such peer yet */
	}
}

static void send_message(struct peer *p, char *frames)
{
	char *rest = NULL, *next, *frame = strtok_r(frames, " ", &rest);
	for (; frame; frame = next) {
		next = strtok_r(NULL, " ", &rest);
		send_frame(p, frame, next ? ZMQ_SNDMORE : 0);
	}
}

static void report(zmq_msg_t *frames, int n)
{
	printf("{\"event\": \"received\", \"frames\": [");
	for (int i = 0; i < n; i++) {
		unsigned char *data = zmq_msg_data(&frames[i]);
		size_t size = zmq_msg_size(&frames[i]);
		printf("%s{\"size\": %zu, \"crc32\": %u", i ? ", " : "", size, (unsigned)crc32(data, size));
		if (plain(data, size))
			printf(", \"text\": \"%.*s\"", (int)size, (char *)data);
		printf("}");
	}
	printf("]}\n");
}

/* receive takes all that has come. */
static void receive(struct peer *p)
{
	for (;;) {
		zmq_msg_t frames[MAX_FRAMES];
		int n = 0;
		do {
			zmq_msg_init(&frames[n]);
			if (zmq_msg_recv(&frames[n], p->socket, ZMQ_DONTWAIT) < 0) {
				if (errno == EAGAIN || errno == EFSM) /* a REP that owes a reply receives nothing */
					return;
				fail("receive");
			}
		} while (zmq_msg_more(&frames[n++]) && n < MAX_FRAMES);
		if (p->echo)
			for (int i = 0; i < n; i++)
				check("echo", zmq_msg_send(&frames[i], p->socket, i < n - 1 ? ZMQ_SNDMORE : 0));
		else
			report(frames, n);
		for (int i = 0; i < n; i++)
			zmq_msg_close(&frames[i]);
	}
}

static void monitor(void *events_socket)
{
	zmq_msg_t event, address;
	zmq_msg_init(&event);
	zmq_msg_init(&address);
	check("monitor", zmq_msg_recv(&event, events_socket, 0));
	check("monitor", zmq_msg_recv(&address, events_socket, 0));
	uint16_t kind;
	memcpy(&kind, zmq_msg_data(&event), sizeof kind);
	for (const struct name *e = events; e->name; e++)
		if (e->value == kind)
			printf("{\"event\": \"monitor\", \"kind\": \"%s\"}\n", e->name);
	zmq_msg_close(&event);
	zmq_msg_close(&address);
}

static void obey(struct peer *p, char *line)
{
	char *rest = strchr(line, ' ');
	if (rest)
		*rest++ = 0;
	if (!strcmp(line, "send"))
		send_message(p, rest);
	else if (!strcmp(line, "many")) {
		char frames[MAX_TEXT];
		for (long n = strtol(rest, &rest, 10); n > 0; n--) {
			snprintf(frames, sizeof frames, "%s", rest + 1);
			send_message(p, frames);
		}
	} else if (!strcmp(line, "beat"))
		snprintf(p->beat, sizeof p->beat, "%s", rest);
	else if (!strcmp(line, "quiet"))
		*p->beat = 0;
	else if (!strcmp(line, "echo") || !strcmp(line, "report"))
		p->echo = *line == 'e';
	else {
		errno = EINVAL;
		fail(line);
	}
	printf("{\"event\": \"done\", \"do\": \"%s\"}\n", line);
}

/* read_commands obeys all whole lines that have come; it returns 0 at the end of input. */
static int read_commands(struct peer *p)
{
	static char lines[LINE];
	static size_t filled;
	ssize_t n = read(STDIN_FILENO, lines + filled, sizeof lines - filled);
	if (n <= 0)
		return 0;
	filled += n;
	char *start = lines, *end;
	while ((end = memchr(start, '\n', lines + filled - start))) {
		*end = 0;
		obey(p, start);
		start = end + 1;
	}
	filled = lines + filled - start;
	memmove(lines, start, filled);
	return 1;
}

static void serve(struct peer *p, int receives, void *monitor_socket)
{
	zmq_pollitem_t items[] = {
		{NULL, STDIN_FILENO, ZMQ_POLLIN, 0},
		{p->socket, 0, receives ? ZMQ_POLLIN : 0, 0},
		{monitor_socket, 0, ZMQ_POLLIN, 0},
	};
	for (;;) {
		check("poll", zmq_poll(items, monitor_socket ? 3 : 2, *p->beat ? BEAT : -1));
		if (items[1].revents)
			receive(p);
		if (monitor_socket && items[2].revents)
			monitor(monitor_socket);
		if (items[0].revents && !read_commands(p))
			return;
		if (*p->beat && zmq_send(p->socket, p->beat, strlen(p->beat), ZMQ_DONTWAIT) < 0 && errno != EAGAIN)
			fail("beat");
	}
}

static void set_option(void *socket, int type, const char *name, size_t length, const char *value)
{
	const struct name *option = find(options, name, length);
	int number = atoi(value);
	if (option->value == ZMQ_SUBSCRIBE && type == ZMQ_XSUB) {
		char subscription[MAX_TEXT];
		int n = snprintf(subscription, sizeof subscription, "\1%s", value);
		check("subscribe", zmq_send(socket, subscription, n, 0));
	} else if (option->number)
		check(name, zmq_setsockopt(socket, option->value, &number, sizeof number));
	else
		check(name, zmq_setsockopt(socket, option->value, value, strlen(value)));
}

int main(int argc, char **argv)
{
	alarm(LIMIT);
	setvbuf(stdout, NULL, _IOLBF, 0);
	void *context = zmq_ctx_new(), *monitor_socket = NULL, *zap_thread = NULL;
	struct peer p = {0};
	struct zap zap = {0};
	int type = -1, none = 0, patience = PATIENCE;
	const char *bind = NULL, *connect = NULL;
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (!value) {
			errno = EINVAL;
			fail(argv[i]);
		}
		size_t length = value++ - argv[i];
		if (!strncmp(argv[i], "type=", 5)) {
			type = find(types, value, strlen(value))->value;
			p.socket = zmq_socket(context, type);
			check("linger", zmq_setsockopt(p.socket, ZMQ_LINGER, &none, sizeof none));
			check("patience", zmq_setsockopt(p.socket, ZMQ_SNDTIMEO, &patience, sizeof patience));
		} else if (!strncmp(argv[i], "bind=", 5))
			bind = value;
		else if (!strncmp(argv[i], "connect=", 8))
			connect = value;
		else if (!strncmp(argv[i], "echo=", 5))
			p.echo = 1;
		else if (!strncmp(argv[i], "zap=", 4)) {
			char *colon = strchr(value, ':');
			*colon = 0;
			zap.name = value;
			zap.password = colon + 1;
			zap_thread = start_zap(context, &zap);
		} else if (!strncmp(argv[i], "refuse=", 7)) {
			zap.status = value;
			zap_thread = start_zap(context, &zap);
		}
		else if (!strncmp(argv[i], "monitor=", 8)) {
			check("monitor", zmq_socket_monitor(p.socket, "inproc://monitor", ZMQ_EVENT_ALL));
			monitor_socket = zmq_socket(context, ZMQ_PAIR);
			check("monitor", zmq_connect(monitor_socket, "inproc://monitor"));
		} else
			set_option(p.socket, type, argv[i], length, value);
	}
	char endpoint[MAX_TEXT] = "";
	size_t size = sizeof endpoint;
	if (bind) {
		check(bind, zmq_bind(p.socket, bind));
		check("endpoint", zmq_getsockopt(p.socket, ZMQ_LAST_ENDPOINT, endpoint, &size));
	} else
		check(connect, zmq_connect(p.socket, connect));
	printf("{\"event\": \"ready\", \"endpoints\": {\"socket\": [\"%s\"]}}\n", endpoint);
	serve(&p, type != ZMQ_PUB && type != ZMQ_PUSH, monitor_socket);
	if (zap.status) { /* nobody was let in: nothing is left to send, and libzmq aborts if it connects again without the handler */
		fflush(stdout);
		_exit(0);
	}
	zmq_close(p.socket);
	if (monitor_socket)
		zmq_close(monitor_socket);
	zmq_ctx_shutdown(context);
	if (zap_thread)
		zmq_threadclose(zap_thread);
	zmq_ctx_term(context);
	return 0;
}
