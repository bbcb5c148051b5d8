/* The peer of libzmq: a process of a measurement. It plays the roles of package peer by the same words on its arguments,
   standard input and standard output; see ../../../README.md. */
#ifndef PEER_H
#define PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

/* What to do, from the arguments. */
struct spec {
    const char *role, *socket, *endpoint;
    bool bind, unbounded, nested;
    int sockets, frames, topics, prefixes, refusing;
    size_t size;
    double rate;
    int64_t window; /* nanoseconds */
    const char *serverpublic, *serversecret, *clientpublic, *clientsecret;
};

extern struct spec spec;
extern void *context;

/* util.c */
int64_t now_ns(void);    /* CLOCK_MONOTONIC */
int64_t cpu_ns(void);    /* user and system time of this process */
void sleep_ns(int64_t ns);
void say(const char *format, ...); /* a line to the runner */
void fail(const char *what);       /* says what failed, with zmq_strerror, and exits */
void unsupported(const char *why); /* says so and exits */
void await(const char *word);      /* waits for a word of the runner; exits when it has gone */
void leave(void);                  /* waits until the runner has gone, and exits */
void start(void *(*run)(void *), void *arg); /* a thread */

/* sockets.c */
enum { MARK_AT = 15, MIN_SIZE = 16, PROBE = 0, COUNT = 1, TOPIC_LEN = 11 };

void *new_socket(const char *kind, bool bind);
void *open_socket(const char *kind, bool bind, int index);
void **open_sockets(void); /* those of the spec */
int batch(void);           /* messages between two looks at the clock */
const char *topic(int i);  /* in memory of the calling thread, until its next call */
void send_message(void *socket, char mark, const char *topic, int64_t stamp); /* topic may be NULL */
void send_plain(void *socket); /* a message without a mark, whose frames may be shorter than MIN_SIZE */
void recv_message(void *socket, zmq_msg_t *first); /* first, which must be initialised, gets the first frame */
bool is_probe(zmq_msg_t *first);
int64_t stamped(zmq_msg_t *first);

/* flood.c */
struct counter { /* messages sent, on a cache line of its own */
    _Alignas(64) _Atomic int64_t n;
};
extern atomic_bool started; /* the probes end and the flood begins */

struct counter *start_flood(void **sockets, int n);
void probe(void *socket); /* sends probes until started */
void flood(void);

/* drain.c */
struct taken { /* what a socket received in its window */
    int64_t messages, elapsed;
    char more[128]; /* added to the result */
};
typedef struct taken take_fn(void *socket);

void start_drain(void **sockets, int n, take_fn *take); /* says ready, then the result */
take_fn count;
void drain(void);

/* fresh.c */
void first(void);
void whole(void);

/* subscriptions.c */
void tick(void);
void many(void);
void knock(void);

/* latency.c */
void ask(void);
void echo(void);
void pace(void);
void stamp(void);

#endif
