/* Receiving: the clock of each socket starts at the arrival of its first message that counts. */
#include "peer.h"

#include <pthread.h>

struct taken count(void *socket) {
    const int n = spec.topics ? 1 : batch(); /* messages of one topic are few and far between */
    struct taken t = {0};
    zmq_msg_t m;
    zmq_msg_init(&m);
    for (int64_t begin = now_ns(); t.elapsed < spec.window; t.elapsed = now_ns() - begin) {
        for (int i = 0; i < n; i++)
            recv_message(socket, &m);
        t.messages += n;
    }
    zmq_msg_close(&m);
    return t;
}

/* What the threads share, under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static take_fn *take;
static int silent;  /* sockets that have received nothing yet */
static int working; /* sockets whose window has not ended */
static int64_t cpu; /* used before the first window began; 0 until then */
static int64_t messages;
static double sum, least, most; /* rates */

static void arrived(void) {
    pthread_mutex_lock(&lock);
    if (--silent == 0)
        say("ready");
    pthread_mutex_unlock(&lock);
}

static void begin(void) {
    pthread_mutex_lock(&lock);
    if (cpu == 0)
        cpu = cpu_ns();
    pthread_mutex_unlock(&lock);
}

static void end(struct taken t) {
    double rate = (double)t.messages / ((double)t.elapsed / 1e9);
    pthread_mutex_lock(&lock);
    messages += t.messages;
    least = sum == 0 || rate < least ? rate : least;
    most = rate > most ? rate : most;
    sum += rate;
    if (--working == 0)
        say("result rate=%g least=%g most=%g cpu_ns=%g%s", sum, least, most,
            (double)(cpu_ns() - cpu) / (double)messages, t.more);
    pthread_mutex_unlock(&lock);
}

/* Goes on receiving after the window, so that no sender is held up before it was stopped. */
static void *run(void *socket) {
    zmq_msg_t m;
    zmq_msg_init(&m);
    recv_message(socket, &m);
    arrived();
    while (is_probe(&m))
        recv_message(socket, &m);
    begin();
    end(take(socket));
    for (;;)
        recv_message(socket, &m);
    return NULL;
}

void start_drain(void **sockets, int n, take_fn *how) {
    take = how;
    silent = working = n;
    for (int i = 0; i < n; i++)
        start(run, sockets[i]);
}

void drain(void) {
    start_drain(open_sockets(), spec.sockets, count);
    leave();
}
