/* Sockets and messages, as libzmq's own perf programs use them. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int type;
} kinds[] = {{"push", ZMQ_PUSH}, {"pull", ZMQ_PULL}, {"pub", ZMQ_PUB}, {"sub", ZMQ_SUB}, {"req", ZMQ_REQ}, {"rep", ZMQ_REP}};

static int type_of(const char *kind) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return kinds[i].type;
    unsupported("no such socket in this engine");
    return -1;
}

static void set(void *socket, int option, const void *value, size_t size) {
    if (zmq_setsockopt(socket, option, value, size) != 0)
        fail("set an option");
}

static void set_text(void *socket, int option, const char *text) {
    set(socket, option, text, strlen(text));
}

static void secure(void *socket, bool server) {
    if (!zmq_has("curve"))
        unsupported("this libzmq was built without CURVE");
    if (server) {
        set(socket, ZMQ_CURVE_SERVER, &(int){1}, sizeof(int));
        set_text(socket, ZMQ_CURVE_SECRETKEY, spec.serversecret);
        return;
    }
    set_text(socket, ZMQ_CURVE_SERVERKEY, spec.serverpublic);
    set_text(socket, ZMQ_CURVE_PUBLICKEY, spec.clientpublic);
    set_text(socket, ZMQ_CURVE_SECRETKEY, spec.clientsecret);
}

static void bind_socket(void *socket) {
    char endpoint[512];
    size_t size = sizeof endpoint;
    if (zmq_bind(socket, spec.endpoint) != 0)
        fail("bind");
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        fail("ask for the endpoint");
    say("bound %s", endpoint);
}

/* Which topic the socket with an index among spec.sockets subscribes to. */
static int topic_of(int index) {
    return (int)((int64_t)index * spec.topics / spec.sockets);
}

void *new_socket(const char *kind, bool bind) {
    void *socket = zmq_socket(context, type_of(kind));
    if (!socket)
        fail("open a socket");
    if (spec.serverpublic)
        secure(socket, bind);
    if (spec.unbounded) {
        set(socket, ZMQ_SNDHWM, &(int){0}, sizeof(int));
        set(socket, ZMQ_RCVHWM, &(int){0}, sizeof(int));
    }
    return socket;
}

void *open_socket(const char *kind, bool bind, int index) {
    void *socket = new_socket(kind, bind);
    if (strcmp(kind, "sub") == 0)
        set_text(socket, ZMQ_SUBSCRIBE, spec.topics ? topic(topic_of(index)) : "");
    if (bind)
        bind_socket(socket);
    else if (zmq_connect(socket, spec.endpoint) != 0)
        fail("connect");
    return socket;
}

void **open_sockets(void) {
    void **sockets = calloc((size_t)spec.sockets, sizeof *sockets);
    for (int i = 0; i < spec.sockets; i++)
        sockets[i] = open_socket(spec.socket, spec.bind, i);
    return sockets;
}

int batch(void) {
    size_t n = 1048576 / (spec.size * (size_t)spec.frames);
    return n < 1 ? 1 : n > 1000 ? 1000 : (int)n;
}

const char *topic(int i) {
    static _Thread_local char text[16];
    snprintf(text, sizeof text, "topic.%05d", i);
    return text;
}

static void make_frame(zmq_msg_t *frame) {
    if (zmq_msg_init_size(frame, spec.size) != 0)
        fail("make a message");
}

/* Sends the frame with an index among those of a message. */
static void send_frame(void *socket, zmq_msg_t *frame, int i) {
    if (zmq_msg_send(frame, socket, i + 1 < spec.frames ? ZMQ_SNDMORE : 0) < 0)
        fail("send");
}

void send_plain(void *socket) {
    for (int i = 0; i < spec.frames; i++) {
        zmq_msg_t frame;
        make_frame(&frame);
        send_frame(socket, &frame, i);
    }
}

void send_message(void *socket, char mark, const char *topic, int64_t stamp) {
    for (int i = 0; i < spec.frames; i++) {
        zmq_msg_t frame;
        make_frame(&frame);
        if (i == 0) {
            char *data = zmq_msg_data(&frame);
            if (topic)
                memcpy(data, topic, TOPIC_LEN);
            else
                memcpy(data, &stamp, sizeof stamp);
            data[MARK_AT] = mark;
        }
        send_frame(socket, &frame, i);
    }
}

void recv_message(void *socket, zmq_msg_t *first) {
    if (zmq_msg_recv(first, socket, 0) < 0)
        fail("receive");
    for (bool more = zmq_msg_more(first); more;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, 0) < 0)
            fail("receive");
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

bool is_probe(zmq_msg_t *first) {
    return ((char *)zmq_msg_data(first))[MARK_AT] == PROBE;
}

int64_t stamped(zmq_msg_t *first) {
    int64_t ns;
    memcpy(&ns, zmq_msg_data(first), sizeof ns);
    return ns;
}
