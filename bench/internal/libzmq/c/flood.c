/* Sending as fast as libzmq takes messages. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

atomic_bool started;
static char (*topics)[16]; /* all of them, where messages have topics */

struct sender {
    void *socket;
    struct counter *sent;
};

static void send_one(void *socket, char mark, int i) {
    send_message(socket, mark, topics ? topics[i] : NULL, 0);
}

void probe(void *socket) {
    for (; !started; sleep_ns(1000000))
        for (int i = 0; i < (topics ? spec.topics : 1); i++)
            send_one(socket, PROBE, i);
}

static void *run(void *arg) {
    struct sender *s = arg;
    const int n = batch();
    int64_t sent = 0;
    probe(s->socket);
    for (int i = 0;;) {
        for (int k = 0; k < n; k++) {
            send_one(s->socket, COUNT, i);
            if (topics && ++i == spec.topics)
                i = 0;
        }
        sent += n;
        atomic_store_explicit(&s->sent->n, sent, memory_order_relaxed);
    }
    return NULL;
}

static void make_topics(void) {
    if (!spec.topics)
        return;
    topics = calloc((size_t)spec.topics, sizeof *topics);
    for (int i = 0; i < spec.topics; i++)
        snprintf(topics[i], sizeof topics[i], "%s", topic(i));
}

struct counter *start_flood(void **sockets, int n) {
    struct counter *sent = aligned_alloc(_Alignof(struct counter), (size_t)n * sizeof *sent);
    struct sender *senders = calloc((size_t)n, sizeof *senders);
    make_topics();
    for (int i = 0; i < n; i++) {
        sent[i].n = 0;
        senders[i] = (struct sender){sockets[i], &sent[i]};
        start(run, &senders[i]);
    }
    return sent;
}

void flood(void) {
    void **sockets = open_sockets();
    struct counter *sent = start_flood(sockets, spec.sockets);
    await("go");
    int64_t begin = now_ns(), cpu = cpu_ns();
    started = true;
    await("stop");
    double elapsed = (double)(now_ns() - begin) / 1e9;
    int64_t total = 0;
    for (int i = 0; i < spec.sockets; i++)
        total += sent[i].n;
    say("result rate=%g cpu_ns=%g", (double)total / elapsed, (double)(cpu_ns() - cpu) / (double)(total ? total : 1));
    leave();
}
