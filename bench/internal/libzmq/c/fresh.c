/* The first message on a new connection. */
#include "peer.h"

enum { SETTLING = 100000000 };

void first(void) {
    void *socket = open_sockets()[0];
    sleep_ns(SETTLING);
    say("ready");
    await("go");
    int64_t cpu = cpu_ns(), began = now_ns();
    send_plain(socket);
    await("stop");
    say("result began=%lld cpu=%lld", (long long)began, (long long)(cpu_ns() - cpu));
    leave();
}

void whole(void) {
    void *socket = open_sockets()[0];
    zmq_msg_t m;
    zmq_msg_init(&m);
    await("go");
    int64_t cpu = cpu_ns();
    say("ready");
    recv_message(socket, &m);
    int64_t at = now_ns();
    say("result at=%lld cpu=%lld", (long long)at, (long long)(cpu_ns() - cpu));
    leave();
}
