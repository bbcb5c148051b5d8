/* The clock, the threads, and the words to and from the runner. */
#include "peer.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t cpu_ns(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000
        + (int64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

void sleep_ns(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    nanosleep(&t, NULL);
}

/* Exits without the library's teardown, which would wait for messages that nobody wants any more. */
static void quit(int status) {
    fflush(stdout);
    _Exit(status);
}

void say(const char *format, ...) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&lock);
    vprintf(format, args);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    va_end(args);
}

void fail(const char *what) {
    say("failed %s: %s", what, zmq_strerror(zmq_errno()));
    quit(1);
}

void unsupported(const char *why) {
    say("unsupported %s", why);
    quit(1);
}

void await(const char *word) {
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, word) == 0)
            return;
    }
    quit(0);
}

void leave(void) {
    await("the end of standard input, which no line is");
}

void start(void *(*run)(void *), void *arg) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, arg) != 0)
        fail("start a thread");
    pthread_detach(thread);
}
