/* SPDX-License-Identifier: Apache-2.0
 *
 * A relay of TCP connections on the loopback that makes a wide link a long one: each
 * byte leaves it DELAY milliseconds after it came, in both directions, so that a request
 * and its answer take 2 × DELAY longer. A new connection costs its round trip as well:
 * what its client sends first is held back by 2 × DELAY more, as if the handshake had
 * gone all the way. With a RATE (MB/s, 0: none) each connection's answers are paced to
 * it; unlike nginx's limit_rate, which lets the first second of every request pass at
 * once. Without, throughput is what the machine gives, at most QUEUE_MAX / DELAY a
 * connection.
 *
 *   relay DELAY_MS RATE LISTEN:TARGET [LISTEN:TARGET ...]   ports on 127.0.0.1; 0: any
 *
 * Once it listens, it prints one line "LISTEN TARGET" for each pair, then runs until it
 * is ended.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 128 << 10,
    CHUNKS_MAX = 512, /* in a direction, however little each holds */
    QUEUE_MAX = 24 << 20,
    PAIRS_MAX = 8,
    CONNECTIONS_MAX = 512,
};

struct chunk {
    struct chunk *next;
    int64_t due_ns;
    size_t at, n; /* n = 0: the end of the stream */
    char bytes[CHUNK];
};

/* One direction of a connection. */
struct flow {
    struct chunk *first, *last;
    size_t queued, chunks;
    int64_t last_due_ns;
    bool ended;   /* nothing more will be read */
    bool blocked; /* the receiver takes nothing now */
    bool done;    /* the end was passed on */
};

struct connection {
    int fd[2];          /* client, server */
    struct flow out[2]; /* out[0]: client to server */
    int64_t open_ns;    /* when the first bytes may begin their way */
};

static struct chunk *spare;
static struct connection *connections[CONNECTIONS_MAX];
static size_t connection_count;
static int64_t delay_ns;
static int64_t rate; /* bytes a second of a connection's answers; 0: no limit */
static size_t queue_max = QUEUE_MAX;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct chunk *new_chunk(void)
{
    struct chunk *c = spare;
    if (c)
        spare = c->next;
    else if (!(c = malloc(sizeof *c)))
        die("relay: memory");
    c->next = NULL;
    c->at = 0;
    return c;
}

static void drop_first(struct flow *f)
{
    struct chunk *c = f->first;
    f->first = c->next;
    if (!f->first)
        f->last = NULL;
    f->queued -= c->n;
    f->chunks--;
    c->next = spare;
    spare = c;
}

/* Reads what there is; false: the connection broke. */
static bool take(struct connection *c, int side)
{
    struct flow *f = &c->out[side];
    struct chunk *chunk = new_chunk();
    ssize_t n = recv(c->fd[side], chunk->bytes, CHUNK, 0);
    if (n < 0) {
        chunk->next = spare;
        spare = chunk;
        return errno == EAGAIN || errno == EINTR;
    }
    int64_t from = now_ns();
    if (from < c->open_ns)
        from = c->open_ns;
    chunk->n = (size_t)n;
    chunk->due_ns = from + delay_ns;
    if (rate > 0 && side == 1) {
        int64_t paced = f->last_due_ns + n * 1000000000 / rate;
        if (chunk->due_ns < paced)
            chunk->due_ns = paced;
        f->last_due_ns = chunk->due_ns;
    }
    f->ended = n == 0;
    f->queued += chunk->n;
    f->chunks++;
    if (f->last)
        f->last->next = chunk;
    else
        f->first = chunk;
    f->last = chunk;
    return true;
}

/* Sends what is due; false: the connection broke. */
static bool give(struct connection *c, int side, int64_t now)
{
    struct flow *f = &c->out[side];
    f->blocked = false;
    while (f->first && f->first->due_ns <= now) {
        struct chunk *chunk = f->first;
        if (chunk->n == 0) {
            shutdown(c->fd[!side], SHUT_WR);
            f->done = true;
            drop_first(f);
            break;
        }
        ssize_t n = send(c->fd[!side], chunk->bytes + chunk->at, chunk->n - chunk->at,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            f->blocked = true;
            return true;
        }
        if (n < 0)
            return errno == EINTR;
        chunk->at += (size_t)n;
        if (chunk->at == chunk->n)
            drop_first(f);
    }
    return true;
}

static void end_connection(size_t i)
{
    struct connection *c = connections[i];
    for (int side = 0; side < 2; side++) {
        while (c->out[side].first)
            drop_first(&c->out[side]);
        close(c->fd[side]);
    }
    free(c);
    connections[i] = connections[--connection_count];
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void prepare(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void begin_connection(int listener, int target)
{
    int client = accept(listener, NULL, NULL);
    if (client < 0)
        return;
    struct connection *c = calloc(1, sizeof *c);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = loopback(target);
    if (!c || server < 0 || connection_count == CONNECTIONS_MAX ||
        connect(server, (struct sockaddr *)&a, sizeof a) != 0) {
        close(client);
        if (server >= 0)
            close(server);
        free(c);
        return;
    }
    prepare(client);
    prepare(server);
    c->fd[0] = client;
    c->fd[1] = server;
    c->open_ns = now_ns() + 2 * delay_ns;
    connections[connection_count++] = c;
}

static int number(const char *text, char **end)
{
    errno = 0;
    long n = strtol(text, end, 10);
    if (errno || *end == text || n < 0 || n > 65535) {
        fprintf(stderr, "relay: not a number: %s\n", text);
        exit(2);
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    struct {
        int fd, target;
    } pairs[PAIRS_MAX];
    if (argc < 4 || argc - 3 > PAIRS_MAX) {
        fputs("usage: relay DELAY_MS RATE LISTEN:TARGET [LISTEN:TARGET ...]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    char *end;
    delay_ns = (int64_t)number(argv[1], &end) * 1000000;
    rate = (int64_t)number(argv[2], &end) * 1000000;
    if (rate > 0) /* what is under way, and a little more for the pacing to draw on */
        queue_max = (size_t)(rate / 1000 * (delay_ns / 1000000 + 20));
    int pair_count = argc - 3;
    for (int i = 0; i < pair_count; i++) {
        struct sockaddr_in a = loopback(number(argv[i + 3], &end));
        if (*end != ':')
            return fputs("relay: LISTEN:TARGET\n", stderr), 2;
        pairs[i].target = number(end + 1, &end);
        socklen_t size = sizeof a;
        int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) != 0 ||
            listen(fd, 256) != 0 || getsockname(fd, (struct sockaddr *)&a, &size) != 0)
            die("relay: listen");
        pairs[i].fd = fd;
        printf("%d %d\n", ntohs(a.sin_port), pairs[i].target);
    }
    fflush(stdout);

    static struct pollfd polls[PAIRS_MAX + 2 * CONNECTIONS_MAX];
    for (;;) {
        nfds_t n = 0;
        int64_t next = INT64_MAX;
        for (int i = 0; i < pair_count; i++)
            polls[n++] = (struct pollfd){.fd = pairs[i].fd, .events = POLLIN};
        for (size_t i = 0; i < connection_count; i++) {
            struct connection *c = connections[i];
            for (int side = 0; side < 2; side++) {
                struct flow *in = &c->out[side], *out = &c->out[!side];
                bool reads =
                    !in->ended && in->queued < queue_max && in->chunks < CHUNKS_MAX;
                polls[n++] =
                    (struct pollfd){.fd = c->fd[side],
                                    .events = (short)((reads ? POLLIN : 0) |
                                                      (out->blocked ? POLLOUT : 0))};
                if (in->first && !in->blocked && in->first->due_ns < next)
                    next = in->first->due_ns;
            }
        }
        int64_t wait = next == INT64_MAX ? 1000000000 : next - now_ns();
        struct timespec t = {.tv_sec = 0};
        if (wait > 0) {
            t.tv_sec = wait / 1000000000;
            t.tv_nsec = wait % 1000000000;
        }
        if (ppoll(polls, n, &t, NULL) < 0 && errno != EINTR)
            die("relay: poll");
        /* From the last, because ending one moves the last into its place. */
        int64_t now = now_ns();
        for (size_t i = connection_count; i-- > 0;) {
            struct connection *c = connections[i];
            struct pollfd *p = &polls[(size_t)pair_count + 2 * i];
            bool fine = true;
            for (int side = 0; side < 2; side++) {
                if (p[side].revents & (POLLERR | POLLNVAL))
                    fine = false;
                if (p[side].events & POLLIN && p[side].revents & (POLLIN | POLLHUP))
                    fine = take(c, side) && fine;
            }
            for (int side = 0; fine && side < 2; side++)
                fine = give(c, side, now);
            if (!fine || (c->out[0].done && c->out[1].done))
                end_connection(i);
        }
        for (int i = 0; i < pair_count; i++)
            if (polls[i].revents & POLLIN)
                begin_connection(pairs[i].fd, pairs[i].target);
    }
}
