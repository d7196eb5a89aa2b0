/* SPDX-License-Identifier: Apache-2.0
 *
 * What each instruction set's kernels make of the same inputs, as one line a kernel and
 * instruction set: "NAME ISA DIGEST". All digests of a kernel must be equal, here
 * (exit 1 if not) and to those of any other processor, which is what
 * tests/kernels_aarch64.sh compares. Needs no library, so that it is easily built for
 * another processor.
 */
#include "config.h"

#include "checkpoint/stored.h"
#include "engine/cpu/cpu_int8_kernels.h"
#include "quant/kernels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every length up to here is tried: two steps of the widest kernel, and a tail. */
#define LONGEST 130
#define SHIFTS  8       /* bytes off alignment */
#define GUARD   64      /* bytes behind an output that must stay as they are */
#define CHUNK   3072    /* elements at a time where there are many */
#define MOST    0x10000 /* elements in any one call */

static _Alignas(16) char in[MOST * 8 + SHIFTS];
static _Alignas(16) char out[MOST * 4 + SHIFTS + GUARD];
static float floats[MOST];

struct run {
    enum i8i_isa isa;
    const struct i8i_kernels *k;
    uint64_t digest;
    uint32_t random;
};

/* FNV-1a: enough where nobody cheats. */
static void digest(struct run *r, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        r->digest = (r->digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
}

static uint32_t random32(struct run *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 17;
    r->random ^= r->random << 5;
    return r->random;
}

static void random_bytes(struct run *r, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)p)[i] = (char)(random32(r) >> 11);
}

/* A place for an output of so many bytes, `shift` bytes off alignment. */
static void *blank(size_t shift, size_t bytes)
{
    memset(out, 0x5a, SHIFTS + bytes + GUARD);
    return out + shift;
}

/* That output, and whether what lies around it was left alone. */
static void digest_out(struct run *r, size_t bytes)
{
    digest(r, out, SHIFTS + bytes + GUARD);
}

/* ---- fp32 patterns ---- */

/* All upper halves with the lower ones around the ties of bf16 and of normal fp16 … */
#define CHUNKS_BY_HALF 1024
/* … each fp16's middle to the next, and its neighbours … */
#define CHUNKS_MIDDLE 64
/* … and any bits. */
#define CHUNKS_RANDOM 16
#define CHUNKS        (CHUNKS_BY_HALF + CHUNKS_MIDDLE + CHUNKS_RANDOM)

static void fill_f32(struct run *r, float *x, uint32_t chunk)
{
    static const uint16_t lower[6] = {0, 1, 0xfff, 0x1000, 0x1001, 0x1fff};
    for (uint32_t i = 0; i < CHUNK; i++) {
        if (chunk < CHUNKS_BY_HALF) {
            uint32_t upper = chunk * (CHUNK / 48) + i / 48;
            x[i] = i8i_bits_f32(upper << 16 | (i / 6 % 8) << 13 | lower[i % 6]);
        } else if (chunk < CHUNKS_BY_HALF + CHUNKS_MIDDLE) {
            uint32_t h = (chunk - CHUNKS_BY_HALF) * (CHUNK / 3) + i / 3;
            uint32_t magnitude = h & 0x7fff;
            float next =
                magnitude >= 0x7bff ? 65536 : i8i_f16_to_f32((uint16_t)(magnitude + 1));
            float middle = (i8i_f16_to_f32((uint16_t)magnitude) + next) / 2;
            if (magnitude > 0x7bff)
                middle = 0;
            uint32_t bits = i8i_f32_bits(middle) + i % 3 - (middle > 0);
            x[i] = i8i_bits_f32(bits | h >> 15 << 31);
        } else {
            x[i] = i8i_bits_f32(random32(r));
        }
    }
}

/* ---- conversions ---- */

static void all_halves(void)
{
    for (uint32_t i = 0; i < 0x10000; i++)
        i8i_store16(in, i, (uint16_t)i);
}

typedef void (*to_f32)(float *dst, const void *src, size_t n);

static void widen(struct run *r, to_f32 convert, size_t width)
{
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            random_bytes(r, in + shift, n * width);
            convert(blank(4, 4 * n), in + shift, n);
            digest_out(r, 4 * n);
        }
}

static void f16_to_f32(struct run *r)
{
    all_halves();
    r->k->f16_to_f32(blank(0, 0x40000), in, 0x10000);
    digest_out(r, 0x40000);
    widen(r, r->k->f16_to_f32, 2);
}

static void bf16_to_f32(struct run *r)
{
    all_halves();
    r->k->bf16_to_f32(blank(0, 0x40000), in, 0x10000);
    digest_out(r, 0x40000);
    widen(r, r->k->bf16_to_f32, 2);
}

static void store64(size_t i, uint64_t bits)
{
    memcpy(in + 8 * i, &bits, 8);
}

static void f64_to_f32(struct run *r)
{
    /* The last bit of fp32 is bit 29 here. */
    static const uint32_t lower[8] = {0,          1,          0x0fffffff, 0x10000000,
                                      0x10000001, 0x2fffffff, 0x30000000, 0x30000001};
    for (uint64_t upper = 0; upper < 0x10000; upper += MOST / 8) {
        for (size_t i = 0; i < MOST; i++)
            store64(i, (upper + i / 8) << 48 | lower[i % 8]);
        r->k->f64_to_f32(blank(0, 4 * MOST), in, MOST);
        digest_out(r, 4 * MOST);
    }
    /* Subnormal in fp32: the middles between two, and their neighbours. */
    for (size_t i = 0; i < MOST; i++) {
        double middle = ((double)(random32(r) & 0x7fffff) + 0.5) * 0x1p-149;
        uint64_t bits;
        memcpy(&bits, &middle, 8);
        store64(i, bits + i % 3 - 1);
    }
    r->k->f64_to_f32(blank(0, 4 * MOST), in, MOST);
    digest_out(r, 4 * MOST);
    widen(r, r->k->f64_to_f32, 8);
}

typedef void (*from_f32)(void *dst, const float *src, size_t n);

static void narrow(struct run *r, from_f32 convert)
{
    for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) {
        fill_f32(r, floats, chunk);
        convert(out, floats, CHUNK);
        digest(r, out, 2 * CHUNK);
    }
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            random_bytes(r, floats, n * 4 + SHIFTS * 4);
            convert(blank(shift, 2 * n), floats + shift, n);
            digest_out(r, 2 * n);
        }
}

static void f32_to_f16(struct run *r)
{
    narrow(r, r->k->f32_to_f16);
}

static void f32_to_bf16(struct run *r)
{
    narrow(r, r->k->f32_to_bf16);
}

static void round_to_f16(struct run *r)
{
    for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) {
        fill_f32(r, floats, chunk);
        r->k->round_to_f16(floats, CHUNK);
        digest(r, floats, 4 * CHUNK);
    }
    for (size_t n = 0; n <= LONGEST; n++) {
        random_bytes(r, floats, sizeof(float) * (n + GUARD));
        r->k->round_to_f16(floats + n % 4, n);
        digest(r, floats, sizeof(float) * (n + GUARD));
    }
}

/* ---- maxima ---- */

/* The largest at each place of each length. */
static void max_bits16(struct run *r)
{
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t place = 0; place < n || place == 0; place++) {
            char *src = in + (n + place) % SHIFTS;
            for (size_t i = 0; i < n; i++)
                i8i_store16(src, i, random32(r) & 0xbfff); /* a sign, no large exponent */
            if (n > 0)
                i8i_store16(src, place, (uint16_t)random32(r) | 0x4000);
            uint16_t max = r->k->max_bits16(src, n);
            digest(r, &max, sizeof max);
        }
}

static void max_bits32(struct run *r)
{
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t place = 0; place < n || place == 0; place++) {
            char *src = in + (n + place) % SHIFTS;
            for (size_t i = 0; i < n; i++) {
                uint32_t bits = random32(r) & 0xbfffffff;
                memcpy(src + 4 * i, &bits, 4);
            }
            uint32_t most = random32(r) | 0x40000000;
            if (n > 0)
                memcpy(src + 4 * place, &most, 4);
            uint32_t max = r->k->max_bits32(src, n);
            digest(r, &max, sizeof max);
        }
}

/* ---- weights ---- */

typedef void (*quantize)(int8_t *q, const void *src, size_t n, float scale);

/* n elements of `in`, the largest being absmax after the cast to fp16, by both scales;
 * by one also each short length, at some alignment. */
static void quantize_all(struct run *r, quantize kernel, size_t n, size_t width,
                         float absmax)
{
    float scale = 0;
    for (int rounding = I8I_ROUNDING_CUDA; rounding <= I8I_ROUNDING_CPU; rounding++) {
        scale = i8i_scale_127_over(absmax, rounding);
        kernel(blank(0, n), in, n, scale);
        digest_out(r, n);
    }
    for (size_t length = 0; length <= LONGEST && length <= n; length++) {
        static char part[LONGEST * 4 + SHIFTS];
        size_t shift = length % SHIFTS, first = random32(r) % (n - length + 1);
        memcpy(part + shift, in + first * width, length * width);
        kernel(blank(SHIFTS - 1 - shift, length), part + shift, length, scale);
        digest_out(r, length);
    }
}

/* All patterns up to each bound, of either sign. */
static void quantize_halves(struct run *r, quantize kernel, const uint16_t *bounds,
                            size_t count, float (*value)(uint16_t))
{
    for (size_t b = 0; b < count; b++) {
        size_t n = 0;
        for (uint32_t h = 0; h <= bounds[b]; h++) {
            i8i_store16(in, n++, (uint16_t)h);
            i8i_store16(in, n++, (uint16_t)(h | 0x8000));
        }
        float absmax = i8i_f16_to_f32(i8i_f32_to_f16(value(bounds[b])));
        quantize_all(r, kernel, n, 2, absmax);
    }
    /* Ties: absmax 127, whose scale is 1, and half integers. */
    for (int i = -254; i <= 254; i++) {
        float v = (float)i / 2;
        i8i_store16(in, (size_t)(i + 254),
                    value == i8i_f16_to_f32 ? i8i_f32_to_f16(v) : i8i_f32_to_bf16(v));
    }
    kernel(blank(0, 509), in, 509, 1.0f);
    digest_out(r, 509);
}

static void quantize_f16(struct run *r)
{
    static const uint16_t bounds[] = {1,      3,      0x3ff,  0x400, 0x1234,
                                      0x3c00, 0x3fff, 0x5555, 0x7bff};
    quantize_halves(r, r->k->quantize_f16, bounds, sizeof bounds / sizeof *bounds,
                    i8i_f16_to_f32);
}

static void quantize_bf16(struct run *r)
{
    /* From just above 2^-25, which is 2^-24 in fp16, to fp16's largest. */
    static const uint16_t bounds[] = {0x3301, 0x3380, 0x3555, 0x3aff,
                                      0x3c12, 0x3f80, 0x4049, 0x477f};
    quantize_halves(r, r->k->quantize_bf16, bounds, sizeof bounds / sizeof *bounds,
                    i8i_bf16_to_f32);
}

static void quantize_bf16_nocast(struct run *r)
{
    static const uint16_t bounds[] = {0x3b00, 0x3c12, 0x3f80, 0x4049, 0x477f};
    quantize_halves(r, r->k->quantize_bf16_nocast, bounds, sizeof bounds / sizeof *bounds,
                    i8i_bf16_to_f32);
}

static void quantize_f32(struct run *r)
{
    static const uint32_t bounds[] = {0x33000001, 0x35555555, 0x38800000,
                                      0x3f800000, 0x42fe0000, 0x477fefff};
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
        for (uint32_t chunk = CHUNKS_BY_HALF; chunk < CHUNKS; chunk++) {
            fill_f32(r, floats, chunk);
            for (size_t i = 0; i < CHUNK; i++) {
                uint32_t bits = i8i_f32_bits(floats[i]);
                if ((bits & 0x7fffffff) > bounds[b])
                    bits = (bits & 0x80000000) | (bits & 0x7fffffff) % (bounds[b] + 1);
                floats[i] = i8i_bits_f32(bits);
            }
            floats[0] = i8i_bits_f32(bounds[b]);
            memcpy(in, floats, sizeof(float) * CHUNK);
            quantize_all(r, r->k->quantize_f32, CHUNK, 4,
                         i8i_f16_to_f32(i8i_f32_to_f16(floats[0])));
        }
    for (int i = -254; i <= 254; i++)
        floats[i + 254] = (float)i / 2;
    r->k->quantize_f32(blank(0, 509), floats, 509, 1.0f);
    digest_out(r, 509);
}

/* ---- rows ---- */

/* Elements of any bits; below 2, any of them; evenly spread within ±0.06. */
enum row_kind { ROW_ANY_BITS, ROW_BELOW_2, ROW_EVEN, ROW_KINDS };

static void fill_row(struct run *r, char *src, enum i8_dtype dtype, size_t n,
                     enum row_kind kind)
{
    const size_t width = dtype == I8_DTYPE_F64 ? 8 : dtype == I8_DTYPE_F32 ? 4 : 2;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = (uint64_t)random32(r) << 32 | random32(r);
        if (kind == ROW_BELOW_2) /* without the exponent's uppermost bit */
            bits &= ~(UINT64_C(1) << (8 * width - 2));
        if (kind == ROW_EVEN) {
            const double v = (double)(int32_t)bits * 0x1p-31 * 0.06;
            const float f = (float)v;
            if (dtype == I8_DTYPE_F64)
                memcpy(&bits, &v, 8);
            else
                bits = dtype == I8_DTYPE_F32   ? i8i_f32_bits(f)
                       : dtype == I8_DTYPE_F16 ? i8i_f32_to_f16(f)
                                               : i8i_f32_to_bf16(f);
        }
        memcpy(src + i * width, &bits, width); /* little-endian: the lower bytes */
    }
}

static void rows(struct run *r)
{
    static const enum i8_dtype dtypes[] = {I8_DTYPE_F32, I8_DTYPE_F16, I8_DTYPE_BF16,
                                           I8_DTYPE_F64};
    for (size_t length = 0; length <= LONGEST + 20; length++)
        for (size_t trial = 0; trial < 4 * ROW_KINDS * 2; trial++) {
            enum i8_dtype dtype = dtypes[trial % 4];
            size_t n = length <= LONGEST ? length : random32(r) % 5000;
            char *src = in + (length + trial) % SHIFTS;
            float scb;
            struct i8i_row_report report;
            fill_row(r, src, dtype, n, (enum row_kind)(trial / 4 % ROW_KINDS));
            i8i_quantize_row(blank(trial % SHIFTS, n), &scb, src, dtype, n,
                             trial / (4 * ROW_KINDS) ? I8I_ROUNDING_CPU
                                                     : I8I_ROUNDING_CUDA,
                             r->isa, &report);
            digest_out(r, n);
            digest(r, &scb, sizeof scb);
            const uint64_t said[3] = {
                report.nan_count, report.inf_count,
                report.nan_count + report.inf_count > 0 ? report.first_bad : 0};
            digest(r, said, sizeof said);
        }
}

/* ---- activations ---- */

/* Some large, now and then a NaN or an Inf. */
static void fill_activations(struct run *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = (float)(int32_t)random32(r) * (random32(r) % 8 ? 0x1p-31f : 0x1p-28f);
        if (random32(r) % 64 == 0)
            v = i8i_bits_f32(random32(r) | 0x7f800000);
        if (random32(r) % 64 == 0)
            v = i8i_bits_f32(0x7f800000 | random32(r) << 31);
        floats[i] = i8i_f16_to_f32(i8i_f32_to_f16(v));
    }
}

static const float largest[] = {0.0f, 0.5f, 6.0f, 8.0f};

static void mark_outliers(struct run *r)
{
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t t = 0; t < 4; t++) {
            fill_activations(r, n + 4);
            uint8_t *mark = blank(n % SHIFTS, n);
            for (size_t i = 0; i < n; i++)
                mark[i] = random32(r) & 1;
            r->k->mark_outliers(mark, floats + t, n, largest[t]);
            digest_out(r, n);
        }
}

static void absmax_within(struct run *r)
{
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t t = 0; t < 5; t++) {
            fill_activations(r, n + 4);
            float bound = t < 4 ? largest[t] : i8i_bits_f32(0x7f800000);
            float absmax = r->k->absmax_within(floats + t % 4, n, bound);
            digest(r, &absmax, sizeof absmax);
        }
}

static void quantize_within(struct run *r)
{
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t t = 1; t < 4; t++)
            for (int marked = 0; marked < 2; marked++) {
                uint8_t *mark = (uint8_t *)in + n % 5;
                fill_activations(r, n + 4);
                for (size_t i = 0; i < n; i++)
                    mark[i] = random32(r) % 3 ? 0 : (uint8_t)random32(r);
                r->k->quantize_within(blank(n % SHIFTS, n), floats + t,
                                      marked ? mark : NULL, n, largest[t],
                                      127 / largest[t]);
                digest_out(r, n);
            }
}

static void activations(struct run *r)
{
    for (size_t cols = 0; cols <= LONGEST; cols++)
        for (size_t t = 0; t < 4; t++) {
            uint8_t mark[LONGEST];
            float absmax;
            fill_activations(r, 3 * cols);
            const uint64_t found =
                i8i_find_outliers(mark, floats, 3, cols, largest[t], r->isa);
            digest(r, &found, sizeof found);
            digest(r, mark, cols);
            i8i_quantize_activation_row(blank(cols % SHIFTS, cols), &absmax, floats, mark,
                                        cols, largest[t], r->isa);
            digest_out(r, cols);
            digest(r, &absmax, sizeof absmax);
        }
}

/* ---- FP8 and int8 products: scalar and the best ---- */

static void fp8_decode(struct run *r)
{
    static const uint32_t scales[] = {0x3f800000, 0x3a83126f, 0x00000001, 0x00800000,
                                      0x7f7fffff, 0x7f800000, 0x7fc00001, 0xbf800000,
                                      0,          0x80000000};
    void (*decode)(void *, const void *, size_t, float) =
        r->isa == I8I_ISA_SCALAR ? i8i_fp8_decode_scalar : i8i_fp8_decode;
    for (size_t s = 0; s < sizeof scales / sizeof *scales + 64; s++) {
        bool chosen = s < sizeof scales / sizeof *scales;
        float scale = i8i_bits_f32(chosen ? scales[s] : random32(r));
        for (size_t i = 0; i < 256; i++)
            in[i] = (char)i;
        decode(blank(0, 512), in, 256, scale);
        digest_out(r, 512);
    }
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            random_bytes(r, in + shift, n);
            decode(blank(SHIFTS - 1 - shift, 2 * n), in + shift, n, 0.37f);
            digest_out(r, 2 * n);
        }
}

static void int8_product(struct run *r)
{
    enum { ROWS = 7, GROUPS = 21, STRIDE = 4 * GROUPS + 5 };
    const struct i8i_int8_kernel *kernel = i8i_int8_kernels;
    while (r->isa == I8I_ISA_SCALAR ? kernel[1].name != NULL : !kernel->available())
        kernel++;
    for (size_t rows = 1; rows <= ROWS; rows++)
        for (size_t groups = 1; groups <= GROUPS; groups++)
            for (int extreme = 0; extreme < 2; extreme++) {
                int8_t *a = (int8_t *)in;
                uint8_t *slab = (uint8_t *)in + ROWS * STRIDE;
                for (size_t i = 0; i < ROWS * STRIDE; i++)
                    a[i] = extreme ? -127 : (int8_t)(random32(r) % 255 - 127);
                random_bytes(r, slab, groups * I8I_GROUP_BYTES);
                if (extreme)
                    memset(slab, rows % 2 ? 0 : 255, groups * I8I_GROUP_BYTES);
                int32_t *acc = blank(SHIFTS, 4 * I8I_SLAB_ROWS * rows);
                kernel->product(acc, a, STRIDE, rows, slab, groups, true);
                kernel->product(acc, a + 1, STRIDE, rows, slab, groups, false);
                digest_out(r, 4 * I8I_SLAB_ROWS * rows);
            }
}

int main(void)
{
    static const struct {
        const char *name;
        void (*all)(struct run *);
    } kernels[] = {
        {"max_bits16", max_bits16},
        {"max_bits32", max_bits32},
        {"quantize_f16", quantize_f16},
        {"quantize_bf16", quantize_bf16},
        {"quantize_bf16_nocast", quantize_bf16_nocast},
        {"quantize_f32", quantize_f32},
        {"f16_to_f32", f16_to_f32},
        {"bf16_to_f32", bf16_to_f32},
        {"f64_to_f32", f64_to_f32},
        {"f32_to_f16", f32_to_f16},
        {"f32_to_bf16", f32_to_bf16},
        {"round_to_f16", round_to_f16},
        {"mark_outliers", mark_outliers},
        {"absmax_within", absmax_within},
        {"quantize_within", quantize_within},
        {"rows", rows},
        {"activations", activations},
        {"fp8_decode", fp8_decode},
        {"int8_product", int8_product},
    };
    int status = EXIT_SUCCESS;
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        uint64_t scalar = 0;
        for (enum i8i_isa isa = I8I_ISA_SCALAR; isa <= i8i_isa_best(); isa++) {
            struct run r = {isa, i8i_kernels_for(isa), 0xcbf29ce484222325u, 2463534242u};
            memset(in, 0, sizeof in);
            memset(floats, 0, sizeof floats);
            kernels[i].all(&r);
            printf("%s %s %016" PRIx64 "\n", kernels[i].name, i8i_isa_name(isa),
                   r.digest);
            if (isa == I8I_ISA_SCALAR)
                scalar = r.digest;
            if (r.digest != scalar) {
                fprintf(stderr, "%s: %s is unlike scalar\n", kernels[i].name,
                        i8i_isa_name(isa));
                status = EXIT_FAILURE;
            }
        }
    }
    return status;
}
