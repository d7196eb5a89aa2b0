/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of one struct i8i_simd: included by cpu_simd_<isa>.c, which says LANES and
 * TABLE and switches the instruction set on. Sums go through float64 where a row can
 * be long, and the polynomial of exp is Cephes' (error below 2 ulp).
 */
#include <math.h>
#include <string.h>

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));
typedef int8_t vb __attribute__((vector_size(LANES)));
typedef double vd __attribute__((vector_size(8 * LANES)));

/* ---- lanes ---- */

static inline vf load(const float *p)
{
    vf v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void store(float *p, vf v)
{
    memcpy(p, &v, sizeof(v));
}

/* The first n < LANES elements, the rest zero. */
static inline vf load_part(const float *p, size_t n)
{
    vf v = {0};

    memcpy(&v, p, n * sizeof(float));
    return v;
}

static inline void store_part(float *p, vf v, size_t n)
{
    memcpy(p, &v, n * sizeof(float));
}

static inline vf splat(float x)
{
    return x - (vf){0};
}

/* mask ? a : b, the mask all ones or zeros in each lane */
static inline vf choose(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

static inline float sum_lanes(vf v)
{
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            v[i] += v[i + width];
    return v[0];
}

/* Runs `expr`, in terms of at (first element) and v (LANES elements of x), over n
 * elements and stores its value to out. */
#define MAP(out, x, n, expr)                        \
    do {                                            \
        size_t at = 0;                              \
        for (; at + LANES <= (n); at += LANES) {    \
            vf v = load((x) + at);                  \
            store((out) + at, (expr));              \
        }                                           \
        if (at < (n)) {                             \
            vf v = load_part((x) + at, (n)-at);     \
            store_part((out) + at, (expr), (n)-at); \
        }                                           \
    } while (0)

/* As load(p + i), short at the end of n elements. */
static inline vf load_at(const float *p, size_t i, size_t n)
{
    return i + LANES <= n ? load(p + i) : load_part(p + i, n - i);
}

/* ---- functions ---- */

/* 2^n by its bits, in two factors, so that results may be subnormal or overflow. */
static inline vf times_power_of_2(vf x, vi n)
{
    vi half = n >> 1;
    vf a = (vf)((vu)(half + 127) << 23), b = (vf)((vu)(n - half + 127) << 23);

    return x * a * b;
}

static inline vf vexp(vf x)
{
    const float to_integer = 0x1.8p23f; /* added, it leaves round(x) in the low bits */
    vf clamped = choose(x > 90.0f, splat(90.0f), choose(x < -105.0f, splat(-105.0f), x));
    vf shifted = clamped * 1.44269504088896341f + to_integer;
    vf n = shifted - to_integer;
    vf r = clamped - n * 0.693359375f - n * -2.12194440e-4f; /* ln 2 in two parts */
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;

    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return times_power_of_2(p, (vi)shifted - (vi)splat(to_integer));
}

/* x · sigmoid(s); where exp(−s) overflows this is x / Inf: 0 with x's sign. */
static inline vf times_sigmoid(vf x, vf s)
{
    return x / (1.0f + vexp(-s));
}

/* x · Φ(x); erfc keeps the relative error small where 1 + erf would cancel. */
static inline vf gelu_erf(vf x)
{
    vf y = x;

    for (int i = 0; i < LANES; i++)
        y[i] = 0.5f * x[i] * erfcf(x[i] * -0.70710678118654752f);
    return y;
}

static void activate(float *out, const float *x, size_t n, enum i8i_activation act)
{
    switch (act) {
    case I8I_ACT_RELU: /* a NaN is not below 0, so it stays */
        MAP(out, x, n, choose(v < 0.0f, splat(0.0f), v));
        break;
    case I8I_ACT_SILU:
        MAP(out, x, n, times_sigmoid(v, v));
        break;
    case I8I_ACT_GELU:
        MAP(out, x, n, gelu_erf(v));
        break;
    case I8I_ACT_GELU_TANH:
        /* (1 + tanh u) / 2 = sigmoid(2u), u = √(2/π) (x + 0.044715 x³) */
        MAP(out, x, n,
            times_sigmoid(v, v * 1.5957691216057308f * (1.0f + 0.044715f * (v * v))));
        break;
    case I8I_ACT_QUICK_GELU:
        MAP(out, x, n, times_sigmoid(v, v * 1.702f));
        break;
    }
}

static void softmax(float *x, size_t n)
{
    vf most = splat(-INFINITY), sums = splat(0.0f);
    float top = -INFINITY, sum;
    size_t i;

    for (i = 0; i + LANES <= n; i += LANES) {
        vf v = load(x + i);

        most = choose(v > most, v, most);
    }
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (int k = 0; k < LANES; k++)
        top = most[k] > top ? most[k] : top;

    for (i = 0; i + LANES <= n; i += LANES) {
        vf e = vexp(load(x + i) - top);

        sums += e;
        store(x + i, e);
    }
    sum = sum_lanes(sums);
    if (i < n) {
        vf e = vexp(load_part(x + i, n - i) - top);

        store_part(x + i, e, n - i);
        for (; i < n; i++)
            sum += x[i];
    }
    MAP(x, x, n, v / sum);
}

static void scores(float *x, size_t n, float scale, const float *bias)
{
    if (bias)
        MAP(x, x, n, scale * v + load_at(bias, at, n));
    else
        MAP(x, x, n, scale * v);
}

static double sum_doubles(const vd *lanes)
{
    double v[LANES];

    memcpy(v, lanes, sizeof(v));
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            v[i] += v[i + width];
    return v[0];
}

static void norm(float *out, const float *x, size_t n, enum i8i_norm_kind kind,
                 const float *gain, const float *bias, float epsilon)
{
    const float one = kind == I8I_NORM_RMS_PLUS_ONE ? 1.0f : 0.0f;
    double count = n > 0 ? (double)n : 1.0, sum = 0.0;
    vd sums = {0};
    float mean = 0.0f, factor;
    size_t i;

    if (kind == I8I_NORM_LAYER) {
        for (i = 0; i + LANES <= n; i += LANES)
            sums += __builtin_convertvector(load(x + i), vd);
        for (; i < n; i++)
            sum += (double)x[i];
        mean = (float)((sum + sum_doubles(&sums)) / count);
        sums = (vd){0};
        sum = 0.0;
    }
    for (i = 0; i + LANES <= n; i += LANES) {
        vd v = __builtin_convertvector(load(x + i) - mean, vd);

        sums += v * v;
    }
    for (; i < n; i++)
        sum += ((double)x[i] - (double)mean) * ((double)x[i] - (double)mean);
    factor = (float)(1.0 / sqrt((sum + sum_doubles(&sums)) / count + (double)epsilon));

    MAP(out, x, n, (v - mean) * factor);
    if (gain)
        MAP(out, out, n, (load_at(gain, at, n) + one) * v);
    if (bias)
        MAP(out, out, n, v + load_at(bias, at, n));
}

static void multiply(float *out, const float *x, const float *y, size_t n)
{
    MAP(out, x, n, load_at(y, at, n) * v);
}

static void add(float *out, const float *x, const float *y, size_t n)
{
    MAP(out, x, n, v + load_at(y, at, n));
}

/* ---- int8 Linear ---- */

/* Normal fp16 numbers keep 10 of 23 bits; smaller ones are multiples of 2⁻²⁴, which
 * is the ulp of 0.75; from 65520 on the nearest is Inf. */
static inline vf to_f16(vf x)
{
    vu bits = (vu)x, sign = bits & 0x80000000u, size = bits & 0x7fffffffu;
    vu normal = (size + 0xfffu + ((size >> 13) & 1u)) & ~0x1fffu;
    vf tiny = ((vf)size + 0.75f) - 0.75f;
    vu r = (vu)choose((vi)(size < 0x38800000u), tiny, (vf)normal);

    r = (vu)choose((vi)(size >= 0x477ff000u), splat(INFINITY), (vf)r);
    return choose(x == x, (vf)(r | sign), x);
}

static bool round_f16(float *out, const float *x, size_t n)
{
    vi nan = {0};
    bool any = false;

    MAP(out, x, n, (nan |= v != v, to_f16(v)));
    for (int k = 0; k < LANES; k++)
        any |= nan[k] != 0;
    return any;
}

static int32_t sum_int8(const int8_t *q, size_t n)
{
    vi sums = {0};
    int32_t sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        vb v;

        memcpy(&v, q + i, sizeof(v));
        sums += __builtin_convertvector(v, vi);
    }
    for (; i < n; i++)
        sum += q[i];
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

static void dequantize(float *y, const int32_t *acc, int32_t correction, float row,
                       const float *col, const float *bias, size_t n)
{
    const float unit = 0x1.040c2p-14f; /* 1/127², rounded to fp32 */
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        vi sum;
        vf v;

        memcpy(&sum, acc + i, sizeof(sum));
        sum = (vi)((vu)sum - (uint32_t)correction); /* wraps, as the products do */
        v = __builtin_convertvector(sum, vf) * row * load(col + i) * unit;
        store(y + i, bias ? v + load(bias + i) : v);
    }
    for (; i < n; i++) {
        int32_t sum = (int32_t)((uint32_t)acc[i] - (uint32_t)correction);
        float v = (float)sum * row * col[i] * unit;

        y[i] = bias ? v + bias[i] : v;
    }
}

/* Loads whole groups of four columns and picks the first byte of each. */
static void dequantize_column(float *w, const uint8_t *bytes, const float *absmax)
{
    const float unit = 0x1.020408p-7f; /* 1/127, rounded to fp32 */

    for (int i = 0; i < 64; i += LANES) {
        vu groups = {0};
        vi q;

        if (i + LANES < 64)
            memcpy(&groups, bytes + 4 * i, sizeof(groups));
        else /* the last group may end with this byte's slab */
            memcpy(&groups, bytes + 4 * i, sizeof(groups) - 3);
        q = (vi)(groups & 0xffu) - 128;
        store(w + i, to_f16(__builtin_convertvector(q, vf) * load(absmax + i) * unit));
    }
}

static void add_columns(float *y, const float *x, const float *w, size_t count)
{
    vf sum[64 / LANES];

    for (int i = 0; i < 64 / LANES; i++)
        sum[i] = splat(0.0f);
    for (size_t c = 0; c < count; c++)
        for (int i = 0; i < 64 / LANES; i++)
            sum[i] += x[c] * load(w + 64 * c + i * LANES);
    for (int i = 0; i < 64 / LANES; i++)
        store(y + i * LANES, load(y + i * LANES) + sum[i]);
}

const struct i8i_simd TABLE = {
    .name = NAME,
    .softmax = softmax,
    .scores = scores,
    .norm = norm,
    .activate = activate,
    .multiply = multiply,
    .add = add,
    .round_f16 = round_f16,
    .sum_int8 = sum_int8,
    .dequantize = dequantize,
    .dequantize_column = dequantize_column,
    .add_columns = add_columns,
};
