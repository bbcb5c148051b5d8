/* The arguments, and the roles that need no file of their own. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct spec spec = {.sockets = 1, .frames = 1, .size = MIN_SIZE};
void *context;

static void parse_argument(const char *arg) {
    const char *equals = strchr(arg, '=');
    if (!equals)
        return;
    const char *value = equals + 1;
    size_t name = (size_t)(equals - arg);
#define IS(word) (name == sizeof word - 1 && memcmp(arg, word, name) == 0)
    if (IS("socket"))
        spec.socket = value;
    else if (IS("endpoint"))
        spec.endpoint = value;
    else if (IS("bind"))
        spec.bind = strcmp(value, "true") == 0;
    else if (IS("single"))
        ; /* libzmq has no other way */
    else if (IS("unbounded"))
        spec.unbounded = strcmp(value, "true") == 0;
    else if (IS("sockets"))
        spec.sockets = atoi(value);
    else if (IS("frames"))
        spec.frames = atoi(value);
    else if (IS("topics"))
        spec.topics = atoi(value);
    else if (IS("prefixes"))
        spec.prefixes = atoi(value);
    else if (IS("nested"))
        spec.nested = strcmp(value, "true") == 0;
    else if (IS("refusing"))
        spec.refusing = atoi(value);
    else if (IS("size"))
        spec.size = (size_t)atoll(value);
    else if (IS("rate"))
        spec.rate = atof(value);
    else if (IS("window"))
        spec.window = atoll(value);
    else if (IS("serverpublic"))
        spec.serverpublic = value;
    else if (IS("serversecret"))
        spec.serversecret = value;
    else if (IS("clientpublic"))
        spec.clientpublic = value;
    else if (IS("clientsecret"))
        spec.clientsecret = value;
#undef IS
}

/* From one thread of this process to another. */
static void inproc(void) {
    void *in = open_socket("pull", true, 0), *out = open_socket("push", false, 0);
    started = true;
    start_flood(&out, 1);
    start_drain(&in, 1, count);
    leave();
}

static long long resident(void) {
    long long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lld %lld", &size, &pages) != 2)
        fail("read the size of this process");
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void allow_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Binds a PUB, tells its memory when asked, and sends a message when asked. */
static void hold(void) {
    allow_descriptors();
    void *socket = open_sockets()[0];
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "mem\n") == 0)
            say("result rss=%lld", resident());
        if (strcmp(line, "send\n") == 0) {
            send_message(socket, COUNT, NULL, 0);
            say("ready");
        }
    }
}

static void version(void) {
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    say("%d.%d.%d", major, minor, patch);
}

static const struct {
    const char *name;
    void (*play)(void);
} roles[] = {{"flood", flood}, {"drain", drain}, {"ask", ask},   {"echo", echo},      {"pace", pace},
             {"stamp", stamp}, {"first", first}, {"whole", whole},     {"hold", hold},   {"inproc", inproc}, {"version", version},
             {"tick", tick},   {"many", many},   {"knock", knock}};

int main(int argc, char **argv) {
    if (argc < 2)
        unsupported("no role among the arguments");
    for (int i = 2; i < argc; i++)
        parse_argument(argv[i]);
    spec.role = argv[1];
    context = zmq_ctx_new();
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i].name, spec.role) == 0) {
            roles[i].play();
            _Exit(0);
        }
    unsupported("no such role in this engine");
}
