/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's voice: stdout carries the answer, stderr carries talk. Errors,
 * warnings and the progress bar share the terminal's last line, so all of them go
 * through here.
 */
#include "config.h"

#include "base/size.h"
#include "command.h"
#include "output.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ---- terminals ---- */

void output_init(void)
{
    /* A descriptor that is closed at the start is opened the wrong way round: what the
     * program then prints fails with EBADF and is noticed, instead of ending up in an
     * output file that happened to get its number. */
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", flags[fd]) != fd)
            _exit(EXIT_FAILED);
    }
}

static bool colour_allowed(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fd) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

bool output_colour(void)
{
    return colour_allowed(STDOUT_FILENO);
}

static int columns_of(int fd)
{
    enum { USUAL = 80, LEAST = 20 };
    struct winsize size;
    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < LEAST)
        return USUAL;
    return size.ws_col;
}

int output_columns(void)
{
    return columns_of(STDOUT_FILENO);
}

/* ---- talk ---- */

/* Warnings and progress may come from different threads of the library. */
static pthread_mutex_t stderr_lock = PTHREAD_MUTEX_INITIALIZER;
static int progress_lines; /* the cursor stands behind the last of so many */

/* With the lock held. */
static void clear_progress(void)
{
    if (progress_lines > 1)
        (void)fprintf(stderr, "\033[%dA", progress_lines - 1);
    if (progress_lines > 0)
        (void)fputs("\r\033[J", stderr);
    progress_lines = 0;
}

void output_draw(const char *lines)
{
    enum { EXTRA = 16 }; /* bytes around a line */
    int count = 1;
    for (const char *c = lines; *c; c++)
        count += *c == '\n';
    const size_t size = strlen(lines) + (size_t)(count + 1) * EXTRA;
    char *text = malloc(size);
    if (text == NULL)
        return;
    /* In one write, over what stands there: no flicker. */
    (void)pthread_mutex_lock(&stderr_lock);
    int n = progress_lines > 1 ? snprintf(text, size, "\033[%dA", progress_lines - 1) : 0;
    text[n++] = '\r';
    for (const char *c = lines; *c; c++) {
        if (*c == '\n') {
            memcpy(text + n, "\033[K", 3);
            n += 3;
        }
        text[n++] = *c;
    }
    memcpy(text + n, "\033[K\033[J", 6);
    (void)fwrite(text, 1, (size_t)n + 6, stderr);
    progress_lines = count;
    (void)pthread_mutex_unlock(&stderr_lock);
    free(text);
}

void output_progress_done(void)
{
    (void)pthread_mutex_lock(&stderr_lock);
    clear_progress();
    (void)pthread_mutex_unlock(&stderr_lock);
}

/* "int8tool: error: message", in one write so that lines of several processes do not
 * mix; `hint` may be "". */
static void say(const char *colour, const char *kind, const char *message,
                const char *hint)
{
    char line[I8_ERROR_MAX + 256];
    bool coloured = colour_allowed(STDERR_FILENO);
    (void)snprintf(line, sizeof line, "int8tool: %s%s:%s %s%s\n", coloured ? colour : "",
                   kind, coloured ? "\033[0m" : "", message, hint);
    (void)pthread_mutex_lock(&stderr_lock);
    clear_progress();
    (void)fflush(stdout); /* the answer so far comes before what is said about it */
    (void)fputs(line, stderr);
    (void)pthread_mutex_unlock(&stderr_lock);
}

#define RED    "\033[1;31m"
#define YELLOW "\033[1;33m"
#define CYAN   "\033[1;36m"

int report_error(const struct i8_error *err)
{
    say(RED, "error", err->message[0] ? err->message : i8_status_name(err->status), "");
    return err->status == I8_ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
}

int usage_error(const struct arguments *a, const char *fmt, ...)
{
    char message[I8_ERROR_MAX];
    char hint[128] = " (try 'int8tool --help')";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    for (char *c = message; *c; c++) { /* an argument may hold a newline */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    if (a)
        (void)snprintf(hint, sizeof hint, " (try 'int8tool %s --help')", arg_command(a));
    say(RED, "error", message, hint);
    return EXIT_USAGE;
}

static void log_write(void *ctx, enum i8_log_level level, const char *message)
{
    const int *verbosity = ctx;
    if (*verbosity < 0 || (level == I8_LOG_DEBUG && *verbosity < 1))
        return;
    if (level == I8_LOG_WARNING)
        say(YELLOW, "warning", message, "");
    else
        say(CYAN, level == I8_LOG_NOTE ? "note" : "debug", message, "");
}

const struct i8_log *output_log(const struct arguments *a)
{
    static int verbosity;
    static const struct i8_log log = {.write = log_write, .ctx = &verbosity};
    verbosity = arg_verbosity(a);
    return &log;
}

/* ---- progress ---- */

static volatile sig_atomic_t interrupted;

bool output_interrupted(void)
{
    return interrupted;
}

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

struct progress {
    bool bar;
    char what[64];            /* the work that the times below are of */
    unsigned long long first; /* how much was done when it began */
    struct timespec start;    /* when that was */
    struct timespec drawn;    /* when the line was last drawn */
};

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) +
           1e-9 * (double)(to->tv_nsec - from->tv_nsec);
}

const char *output_duration(char buf[OUTPUT_DURATION], double seconds)
{
    const unsigned long s = seconds < 1e6 ? (unsigned long)(seconds + 0.5) : 1000000UL;
    if (s >= 3600)
        (void)snprintf(buf, OUTPUT_DURATION, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60,
                       s % 60);
    else if (s >= 60)
        (void)snprintf(buf, OUTPUT_DURATION, "%lu:%02lu", s / 60, s % 60);
    else
        (void)snprintf(buf, OUTPUT_DURATION, "%lu s", s);
    return buf;
}

/* "2.31 GB/s, 1:05 left" behind what is there already. */
static void add_speed(char *buf, size_t size, double bytes_per_s, double left)
{
    static const double giga = 1e9, mega = 1e6, most_s = 359999; /* 99:59:59 */
    const size_t n = strlen(buf);
    const bool fast = bytes_per_s >= giga;
    int k = snprintf(buf + n, size - n, fast ? ", %.2f GB/s" : ", %.1f MB/s",
                     bytes_per_s / (fast ? giga : mega));
    const double seconds = left / bytes_per_s;
    if (k < 0 || (size_t)k >= size - n || !(seconds <= most_s))
        return;
    char text[OUTPUT_DURATION];
    (void)snprintf(buf + n + k, size - n - (size_t)k, ", %s left",
                   output_duration(text, seconds));
}

/* "1.2 GiB of 3.0 GiB, 2.31 GB/s, 1 s left" or "12 of 24 windows". Speed is that of this
 * run, whatever an earlier one had done. */
static void amount_text(char *buf, size_t size, const struct progress *p,
                        unsigned long long done, unsigned long long total,
                        const char *unit, double elapsed)
{
    char done_text[I8I_SIZE_TEXT], total_text[I8I_SIZE_TEXT];
    if (strcmp(unit, "B") != 0) {
        (void)snprintf(buf, size, "%llu of %llu %s", done, total, unit);
        return;
    }
    static const double settled_s = 0.5; /* before that a speed is noise */
    (void)snprintf(buf, size, "%s of %s", i8i_size_text(done_text, done),
                   i8i_size_text(total_text, total));
    if (elapsed >= settled_s && done > p->first && done <= total)
        add_speed(buf, size, (double)(done - p->first) / elapsed, (double)(total - done));
}

static void draw_progress(const struct progress *p, unsigned long long done,
                          unsigned long long total, const char *unit, double elapsed)
{
    enum { BAR = 16 };
    static const char full[] = "################";
    static const char empty[] = "................";
    _Static_assert(sizeof full == BAR + 1 && sizeof empty == BAR + 1, "bar's width");
    char line[256], amount[160];
    double part = total > 0 ? (double)done / (double)total : 0;
    part = part < 1 ? part : 1;
    int filled = (int)(part * BAR);
    amount_text(amount, sizeof amount, p, done, total, unit, elapsed);
    int length = snprintf(line, sizeof line, "%s [%.*s%.*s] %3.0f%%  %s", p->what, filled,
                          full, BAR - filled, empty, 100 * part, amount);
    int columns = output_draw_columns();
    if (length > columns)
        line[columns] = '\0';
    output_draw(line);
}

static int progress_update(void *ctx, const char *what, unsigned long long done,
                           unsigned long long total, const char *unit)
{
    static const double redraw_s = 0.1;
    struct progress *p = ctx;
    if (!p->bar || interrupted)
        return interrupted;

    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (strncmp(p->what, what, sizeof p->what - 1) != 0) {
        (void)snprintf(p->what, sizeof p->what, "%s", what);
        p->first = done;
        p->start = now;
        p->drawn = (struct timespec){0};
    }
    if (seconds_between(&p->drawn, &now) < redraw_s && done < total)
        return 0;
    p->drawn = now;
    draw_progress(p, done, total, unit, seconds_between(&p->start, &now));
    return 0;
}

const struct i8_progress *output_progress(const struct arguments *a)
{
    static struct progress state;
    static const struct i8_progress progress = {.update = progress_update, .ctx = &state};
    state.bar = output_may_draw(a);
    output_catch_signals();
    return &progress;
}

bool output_may_draw(const struct arguments *a)
{
    return isatty(STDERR_FILENO) && arg_verbosity(a) >= 0;
}

int output_draw_columns(void)
{
    return columns_of(STDERR_FILENO) - 1; /* a full line would wrap */
}

void output_catch_signals(void)
{
    /* Only work that looks at the flag may take the signals; SA_RESETHAND gives the
     * second one its usual effect. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- the answer ---- */

int output_json(struct i8i_json_writer *w)
{
    size_t length;
    char *text = i8i_buffer_take(&w->buffer, &length);
    if (!text) {
        struct i8_error err = {0};
        (void)i8i_nomem(&err);
        return report_error(&err);
    }
    output_progress_done();
    (void)fwrite(text, 1, length, stdout);
    (void)fputc('\n', stdout);
    free(text);
    return EXIT_DONE; /* main flushes, and says so if that fails */
}

int output_finish(int ok)
{
    output_progress_done();
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return ok;
    struct i8_error err = {0};
    (void)i8i_fail_errno(&err, errno ? errno : EIO, "cannot write to standard output");
    return report_error(&err);
}
