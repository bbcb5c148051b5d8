/* The time of requests until their replies, and of messages on their way under a load. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Times in nanoseconds. */
struct times {
    int64_t *ns;
    size_t n, room;
};

static void add(struct times *t, int64_t ns) {
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 1 << 16;
        t->ns = realloc(t->ns, t->room * sizeof *t->ns);
        if (!t->ns)
            fail("keep the times");
    }
    t->ns[t->n++] = ns;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* In microseconds; the times are in order. */
static double quantile(const struct times *t, double q) {
    return t->n ? (double)t->ns[(size_t)(q * (double)(t->n - 1) + 0.5)] / 1e3 : 0;
}

static void describe(struct times *t, char *text, size_t size) {
    if (t->n)
        qsort(t->ns, t->n, sizeof *t->ns, compare);
    snprintf(text, size, " samples=%zu p50=%g p99=%g p999=%g", t->n, quantile(t, 0.5), quantile(t, 0.99),
             quantile(t, 0.999));
}

static void *answer(void *socket) {
    for (;;) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        recv_message(socket, &m);
        if (zmq_msg_send(&m, socket, 0) < 0)
            fail("answer");
    }
    return NULL;
}

void echo(void) {
    start(answer, open_sockets()[0]);
    leave();
}

/* Leaves the first exchange out, which waits for the connection. */
static void *exchange(void *socket) {
    struct times t = {0};
    char text[128];
    zmq_msg_t reply;
    zmq_msg_init(&reply);
    for (int64_t begin = 0, end = 0; begin == 0 || end - begin < spec.window;) {
        int64_t sent = now_ns();
        send_message(socket, COUNT, NULL, 0);
        recv_message(socket, &reply);
        end = now_ns();
        if (begin)
            add(&t, end - sent);
        else
            begin = end;
    }
    describe(&t, text, sizeof text);
    say("result%s", text);
    return NULL;
}

void ask(void) {
    start(exchange, open_sockets()[0]);
    leave();
}

enum { STAMP_EVERY = 16, PACE_INTERVAL = 50000 };

static _Atomic int64_t pace_began, pace_sent;

/* Sends what is due at each look at the clock, of every so many messages one with the time. */
static void *keep_pace(void *socket) {
    int64_t sent = 0;
    probe(socket);
    int64_t begin = now_ns();
    pace_began = begin;
    for (;; sleep_ns(PACE_INTERVAL)) {
        int64_t due = (int64_t)(spec.rate * ((double)(now_ns() - begin) / 1e9));
        for (; sent + STAMP_EVERY <= due; sent += STAMP_EVERY)
            for (int i = 0; i < STAMP_EVERY; i++)
                send_message(socket, COUNT, NULL, i == 0 ? now_ns() : 0);
        pace_sent = sent;
    }
    return NULL;
}

void pace(void) {
    start(keep_pace, open_sockets()[0]);
    await("go");
    started = true;
    await("stop");
    say("result rate=%g", (double)pace_sent / ((double)(now_ns() - pace_began) / 1e9));
    leave();
}

static struct taken one_way(void *socket) {
    struct taken t = {0};
    struct times times = {0};
    zmq_msg_t m;
    zmq_msg_init(&m);
    for (int64_t begin = now_ns(); t.elapsed < spec.window;) {
        recv_message(socket, &m);
        t.messages++;
        int64_t sent = stamped(&m);
        if (sent == 0)
            continue;
        int64_t now = now_ns();
        add(&times, now - sent);
        t.elapsed = now - begin;
    }
    describe(&times, t.more, sizeof t.more);
    return t;
}

void stamp(void) {
    start_drain(open_sockets(), 1, one_way);
    leave();
}
