/* Subscribers that come and go, and endpoints at which nobody listens. */
#include "peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tick(void) {
    void *socket = open_sockets()[0];
    struct pollfd in = {.fd = 0, .events = POLLIN};
    int64_t worst = 0, cpu = cpu_ns();
    char line[64];
    for (;;) {
        for (int i = 0; i < spec.topics; i++) {
            int64_t began = now_ns();
            send_message(socket, COUNT, topic(i), 0);
            int64_t took = now_ns() - began;
            if (took > worst)
                worst = took;
        }
        if (poll(&in, 1, 1) <= 0)
            continue;
        if (!fgets(line, sizeof line, stdin))
            return;
        say("result worst=%lld cpu=%lld", (long long)worst, (long long)(cpu_ns() - cpu));
        worst = 0;
        cpu = cpu_ns();
    }
}

static void receive_topic(void *socket, int i) {
    zmq_msg_t m;
    zmq_msg_init(&m);
    do
        recv_message(socket, &m);
    while (memcmp(zmq_msg_data(&m), topic(i), TOPIC_LEN) != 0);
    zmq_msg_close(&m);
}

static void subscribe(void *socket, const char *prefix, size_t size) {
    if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, prefix, size) != 0)
        fail("subscribe");
}

void many(void) {
    enum { SPREAD = 7919, DIGITS = 100000007, BROKEN = 246, LENGTHS = 10 }; /* see prefix in package peer */
    void *socket = open_sockets()[0];
    char digits[16], *nested = malloc((size_t)spec.prefixes + LENGTHS);
    memset(nested, 'n', (size_t)spec.prefixes + LENGTHS);
    receive_topic(socket, 0);
    say("ready");
    await("go");
    int64_t began = now_ns();
    for (int64_t i = 0; i < spec.prefixes; i++) {
        if (spec.nested) {
            subscribe(socket, nested, (size_t)(i + 1 + (i + 1 >= BROKEN ? LENGTHS : 0)));
            continue;
        }
        snprintf(digits, sizeof digits, "%08d", (int)(i * SPREAD % DIGITS));
        subscribe(socket, digits, strlen(digits));
    }
    subscribe(socket, topic(1), TOPIC_LEN);
    receive_topic(socket, 1);
    say("result time=%lld", (long long)(now_ns() - began));
    leave();
}

void knock(void) {
    enum { HOSTS = 250 };
    void *socket = new_socket(spec.socket, false);
    int64_t began = now_ns(), cpu = cpu_ns();
    char endpoint[64];
    for (int i = 0; i < spec.refusing; i++) {
        snprintf(endpoint, sizeof endpoint, "tcp://127.1.%d.%d:9", i / HOSTS, 1 + i % HOSTS);
        if (zmq_connect(socket, endpoint) != 0)
            fail("connect");
    }
    sleep_ns(spec.window);
    say("result cpu=%.0f", (double)(cpu_ns() - cpu) * 1e9 / (double)(now_ns() - began));
    leave();
}
