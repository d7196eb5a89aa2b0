/* SPDX-License-Identifier: Apache-2.0
 *
 * What zstd makes of weights, level by level, in frames as convert cuts them: size, and
 * speed of one thread both ways, beside the order-0 entropy of the bytes, which a Huffman
 * code without matches cannot pass, and beside memcpy.
 *
 *     zstd_levels FILE.safetensors …      tensors by dtype
 *     zstd_levels --gaussian COLS         int8 rows of a normal distribution
 *
 * For 16-bit floats a line more says what frames of byte planes would take (all high
 * bytes, then all low ones): more than the format allows, since 'zstd -d' has to give the
 * file back.
 */
#include "config.h"

#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "convert/packed.h"
#include "quant/quant.h"
#include "source/zstd_codec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GAUSSIAN_BYTES ((size_t)32 << 20)

static const int levels[] = {1, 3, 6, 9, 15, 19};

static void die(const char *what)
{
    fprintf(stderr, "zstd_levels: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what a busy machine leaves alone */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double entropy(const unsigned char *bytes, size_t n)
{
    size_t count[256] = {0};
    double bits = 0;
    for (size_t i = 0; i < n; i++)
        count[bytes[i]]++;
    for (int i = 0; i < 256; i++)
        if (count[i] > 0)
            bits -= (double)count[i] / (double)n * log2((double)count[i] / (double)n);
    return bits;
}

struct outcome {
    uint64_t stored;
    double pack_s, unpack_s;
};

/* Frames of `step` bytes, one after the other. */
static struct outcome run(const char *bytes, size_t n, size_t step, int level)
{
    struct outcome o = {0};
    struct i8i_zstd_encoder *e;
    struct i8i_zstd_decoder *d;
    struct i8_error err;
    char *frame = malloc(i8i_zstd_bound(step)), *back = malloc(step);
    if (frame == NULL || back == NULL || i8i_zstd_encoder_new(&e, level, &err) != I8_OK ||
        i8i_zstd_decoder_new(&d, &err) != I8_OK)
        die("no memory, or no zstd");
    for (size_t at = 0; at < n; at += step) {
        const size_t part = n - at < step ? n - at : step;
        size_t stored;
        const double start = now();
        if (i8i_zstd_encode(e, frame, &stored, bytes + at, part, &err) != I8_OK)
            die(err.message);
        const double middle = now();
        const char *wrong = i8i_zstd_decode(d, back, part, frame, stored);
        if (wrong || memcmp(back, bytes + at, part) != 0)
            die(wrong ? wrong : "other bytes came back");
        o.unpack_s += now() - middle;
        o.pack_s += middle - start;
        o.stored += stored;
    }
    i8i_zstd_encoder_free(e);
    i8i_zstd_decoder_free(d);
    free(frame);
    free(back);
    return o;
}

/* Within each frame all high bytes first, turned left by a bit so that the sign lies with
 * the mantissa, as ZipNN has it. */
static void split_planes(char *to, const char *from, size_t n, size_t step)
{
    for (size_t at = 0; at < n; at += step) {
        const size_t part = n - at < step ? n - at : step;
        for (size_t i = 0; i + 1 < part; i += 2) {
            uint16_t v;
            memcpy(&v, from + at + i, sizeof v);
            v = (uint16_t)(v << 1 | v >> 15);
            to[at + i / 2] = (char)(v >> 8);
            to[at + part / 2 + i / 2] = (char)v;
        }
    }
}

static void show(const char *name, const char *dtype, const char *bytes, size_t n,
                 bool planes)
{
    const double bits = entropy((const unsigned char *)bytes, n);
    char *split = planes ? malloc(n) : NULL;
    if (split)
        split_planes(split, bytes, n, I8I_FRAME_BYTES);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const struct outcome o = run(bytes, n, I8I_FRAME_BYTES, levels[i]);
        printf("%-24s %-5s %9.3f %6.3f %7.4f %4d %7.4f %8.0f %8.0f\n", name, dtype,
               (double)n / 1e6, bits, 8 / bits, levels[i], (double)n / (double)o.stored,
               (double)n / o.pack_s / 1e6, (double)n / o.unpack_s / 1e6);
    }
    if (split) {
        const struct outcome o = run(split, n, I8I_FRAME_BYTES, 1);
        printf("%-24s %-5s %9.3f %6s %7s %4d %7.4f  as byte planes\n", name, dtype,
               (double)n / 1e6, "", "", 1, (double)n / (double)o.stored);
    }
    free(split);
}

/* All tensors of one dtype, end to end. */
static void show_dtype(const char *path, const struct i8i_checkpoint *c,
                       enum i8_dtype dtype)
{
    struct i8_error err;
    size_t n = 0, at = 0;
    for (size_t i = 0; i < c->n_tensors; i++)
        n += c->tensors[i].dtype == dtype ? (size_t)c->tensors[i].bytes : 0;
    if (n < 4096)
        return;
    char *bytes = malloc(n);
    if (bytes == NULL)
        die("no memory");
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        if (t->dtype != dtype)
            continue;
        if (i8i_tensor_read(c, t, bytes + at, 0, (size_t)t->bytes, &err) != I8_OK)
            die(err.message);
        at += (size_t)t->bytes;
    }
    const char *name = strlen(path) > 24 ? path + strlen(path) - 24 : path;
    show(name, i8_dtype_name(dtype), bytes, n,
         dtype == I8_DTYPE_BF16 || dtype == I8_DTYPE_F16);
    free(bytes);
}

static void show_file(const char *path)
{
    static const enum i8_dtype dtypes[] = {I8_DTYPE_I8, I8_DTYPE_BF16, I8_DTYPE_F16,
                                           I8_DTYPE_F32};
    struct i8i_checkpoint *c;
    struct i8_error err;
    if (i8i_checkpoint_open_file(&c, path, &err) != I8_OK)
        die(err.message);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        show_dtype(path, c, dtypes[i]);
    i8i_checkpoint_free(c);
}

static double uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static void show_gaussian(size_t cols)
{
    const size_t rows = GAUSSIAN_BYTES / cols;
    uint64_t state = 88172645463325252u;
    int8_t *q = malloc(rows * cols);
    float *row = malloc(cols * sizeof *row);
    if (q == NULL || row == NULL)
        die("no memory");
    for (size_t r = 0; r < rows; r++) {
        struct i8i_row_report report;
        float scale;
        for (size_t i = 0; i < cols; i++)
            row[i] = (float)(0.02 * sqrt(-2 * log(uniform(&state))) *
                             cos(6.283185307179586 * uniform(&state)));
        i8i_quantize_row(q + r * cols, &scale, row, I8_DTYPE_F32, cols, I8I_ROUNDING_CUDA,
                         i8i_isa_best(), &report);
    }
    char name[32];
    (void)snprintf(name, sizeof name, "normal, %zu columns", cols);
    show(name, "I8", (char *)q, rows * cols, false);
    free(q);
    free(row);
}

static void show_memcpy(void)
{
    char *from = malloc(GAUSSIAN_BYTES), *to = malloc(GAUSSIAN_BYTES);
    if (from == NULL || to == NULL)
        die("no memory");
    memset(from, 1, GAUSSIAN_BYTES);
    memset(to, 2, GAUSSIAN_BYTES);
    const double start = now();
    for (int i = 0; i < 32; i++) {
        from[i] = (char)i;
        memcpy(to, from, GAUSSIAN_BYTES);
    }
    printf("memcpy of 32 MiB: %.0f MB/s (%d)\n",
           32 * (double)GAUSSIAN_BYTES / (now() - start) / 1e6, to[31]);
    free(from);
    free(to);
}

int main(int argc, char **argv)
{
    printf("%-24s %-5s %9s %6s %7s %4s %7s %8s %8s\n", "", "dtype", "MB", "bits",
           "8/bits", "lvl", "ratio", "MB/s in", "MB/s out");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--gaussian") == 0 && i + 1 < argc)
            show_gaussian((size_t)strtoul(argv[++i], NULL, 10));
        else
            show_file(argv[i]);
    }
    show_memcpy();
    return EXIT_SUCCESS;
}
