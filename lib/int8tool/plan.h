/* SPDX-License-Identifier: Apache-2.0
 *
 * Planning: what a model takes on which device, from headers and config.json alone.
 *
 * Open a model once, then ask any number of questions about it: i8_plan_make answers
 * one request, i8_plan_find solves for an unknown, i8_plan_check judges a device map.
 * Only i8_planner_open and i8_plan_read_sizes read files; everything else is a pure
 * function of its arguments and may be called from several threads on one planner.
 */
#ifndef INT8TOOL_PLAN_H
#define INT8TOOL_PLAN_H

#include <int8tool/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Devices are numbered as in a device map; what is no GPU is negative. */
#define I8_PLAN_CPU  (-1)
#define I8_PLAN_DISK (-2)
#define I8_PLAN_NONE (-3)

/* No limit: the capacity of a device of which nothing is known. */
#define I8_PLAN_UNBOUNDED UINT64_MAX

enum i8_plan_dtype {
    I8_PLAN_INT8,
    I8_PLAN_FP16,
    I8_PLAN_BF16,
    I8_PLAN_FP32,
    I8_PLAN_STORED, /* as the checkpoint has it */
};
/* Who runs the model: it decides what is converted and what is allocated. */
enum i8_plan_runtime {
    I8_PLAN_TRANSFORMERS5,
    I8_PLAN_TRANSFORMERS4,
    I8_PLAN_INT8TOOL,
    I8_PLAN_VLLM,
};
enum i8_plan_strategy {
    I8_PLAN_OPTIMAL,
    I8_PLAN_ACCELERATE,   /* accelerate's map for the same sizes and budgets */
    I8_PLAN_TRANSFORMERS, /* what from_pretrained(device_map=…) makes of it */
};
/* How the two replayed strategies treat their budgets first. */
enum i8_plan_mode { I8_PLAN_BALANCED, I8_PLAN_BALANCED_LOW_0, I8_PLAN_SEQUENTIAL };
enum i8_plan_attention { I8_PLAN_ATTENTION_AUTO, I8_PLAN_EAGER, I8_PLAN_SDPA };

struct i8_plan_budget {
    int device;     /* GPU number, I8_PLAN_CPU or I8_PLAN_DISK */
    uint64_t bytes; /* what the plan may use; I8_PLAN_UNBOUNDED: no limit */
};

struct i8_plan_sizes; /* tensor name → bytes, from a file */

struct i8_plan_request {
    enum i8_plan_dtype dtype;
    enum i8_plan_dtype rest; /* of what an int8 model keeps: any but I8_PLAN_INT8 */
    enum i8_plan_runtime runtime;
    enum i8_plan_strategy strategy;
    enum i8_plan_mode mode;
    enum i8_plan_attention attention;
    const struct i8_plan_budget *budgets; /* none: one unbounded device */
    size_t n_budgets;
    uint64_t reserve;    /* set aside on each GPU before anything is placed */
    uint64_t batch;      /* ≥ 1 */
    uint64_t context;    /* prompt and new tokens together */
    uint64_t new_tokens; /* ≥ 1, below context */
    bool offload;        /* optimal may use cpu and disk */
    const struct i8_plan_sizes *sizes; /* or NULL */
};
/* int8 for transformers 5, optimal, batch 1, context 2048 of which 16 are new. */
#define I8_PLAN_REQUEST_INIT                                                        \
    {                                                                               \
        .dtype = I8_PLAN_INT8, .rest = I8_PLAN_STORED, .batch = 1, .context = 2048, \
        .new_tokens = 16                                                            \
    }

struct i8_plan_device {
    int device;
    uint64_t capacity_bytes; /* I8_PLAN_UNBOUNDED: no limit */
    uint64_t weights_bytes;
    uint64_t kv_cache_bytes;
    uint64_t activation_bytes; /* the peak over prefill and decode, less the cache */
    uint64_t
        overhead_bytes; /* reserve, buffers outside the state dict, streamed layers */
    uint64_t total_bytes;
    uint64_t free_bytes; /* 0 where total exceeds capacity */
};
struct i8_plan_entry {
    const char *module; /* "" is the whole model; a bare parameter stands for itself */
    int device;
};

/* An answer. All strings and arrays live as long as the plan. */
struct i8_plan {
    const char *model, *architecture, *model_type;
    struct i8_plan_request request; /* as asked; budgets points into the plan */
    uint64_t parameters;            /* elements, shared ones once */
    uint64_t weights_bytes;    /* exact: the tensor bytes of the files that this makes */
    uint64_t stored_bytes;     /* tensor bytes of the checkpoint */
    uint64_t kv_cache_bytes;   /* exact */
    uint64_t activation_bytes; /* estimated: as if all were on one device */
    uint64_t buffer_bytes;     /* buffers that no checkpoint holds */
    bool eager;                /* the attention kind that was assumed */
    bool fits;
    uint64_t short_bytes; /* does not fit: bytes that found no place */
    struct i8_plan_device *devices;
    size_t n_devices;
    struct i8_plan_entry *map; /* complete, no key inside another */
    size_t n_map;
    const char **notes; /* one line each */
    size_t n_notes;
    /* private: */
    const struct i8_planner *planner;
    void *state;
};

struct i8_planner; /* an opened model; read-only, thread-safe */

/* MODEL: a directory, a weights file, or what i8i_model_open takes. */
enum i8_status i8_planner_open(struct i8_planner **out, const char *model,
                               struct i8_error *err);
void i8_planner_free(struct i8_planner *p); /* NULL is fine */

/* A JSON file {tensor: bytes}. What it does not name is priced by dtype. */
enum i8_status i8_plan_read_sizes(struct i8_plan_sizes **out, const char *path,
                                  struct i8_error *err);
void i8_plan_sizes_free(struct i8_plan_sizes *s); /* NULL is fine */

/* "0=10GiB,1=20GiB,cpu=30GiB,disk". `what` names the option in messages. Caller frees
 * *out. I8_ERR_ARG: malformed, an unknown or repeated device. */
enum i8_status i8_plan_parse_budgets(struct i8_plan_budget **out, size_t *n,
                                     const char *text, const char *what,
                                     struct i8_error *err);
/* "4x24GiB", "2xA100-80GB", "T4", and lists of them with commas. *context_bytes is
 * what a CUDA context takes of each card. Caller frees *out. */
enum i8_status i8_plan_parse_gpus(struct i8_plan_budget **out, size_t *n,
                                  uint64_t *context_bytes, const char *text,
                                  const char *what, struct i8_error *err);

/* A card of the catalogue: name and the memory that the driver leaves of it. The name
 * is NULL behind the last. */
struct i8_plan_card {
    const char *name;
    uint64_t bytes;
};
const struct i8_plan_card *i8_plan_cards(void);
/* What an otherwise empty process with a CUDA context takes of a card. */
#define I8_PLAN_CONTEXT_BYTES 650969088ull

/* That a request cannot be met is no failure: plan->fits says so. I8_ERR_ARG: the
 * request contradicts itself or the model. */
enum i8_status i8_plan_make(struct i8_plan **out, const struct i8_planner *p,
                            const struct i8_plan_request *request, struct i8_error *err);
void i8_plan_free(struct i8_plan *plan); /* NULL is fine */

/* ---- solving for an unknown ---- */

enum i8_plan_unknown { I8_PLAN_FIND_GPUS, I8_PLAN_FIND_CONTEXT, I8_PLAN_FIND_BATCH };
struct i8_plan_found {
    const char *card; /* gpus: the catalogue's name; else NULL */
    uint64_t value;   /* how many cards; the largest context or batch; 0: none does */
};
/* The answers, by bisection over i8_plan_make. For cards: the least number up to
 * `limit` of each card of the catalogue. For context and batch: the largest value up
 * to `limit` that fits the budgets (one answer). Caller frees *out. */
enum i8_status i8_plan_find(struct i8_plan_found **out, size_t *n,
                            const struct i8_planner *p,
                            const struct i8_plan_request *request,
                            enum i8_plan_unknown unknown, uint64_t limit,
                            struct i8_error *err);

/* ---- judging a map ---- */

struct i8_plan_finding {
    bool error; /* else a warning */
    char *text; /* one line */
};
/* Judges a device map (JSON text of `length` bytes; `what` names it) against the model
 * and the request's budgets. No findings: it is sound. Free by i8_plan_findings_free. */
enum i8_status i8_plan_check(struct i8_plan_finding **out, size_t *n,
                             const struct i8_planner *p,
                             const struct i8_plan_request *request, const char *json,
                             size_t length, const char *what, struct i8_error *err);
void i8_plan_findings_free(struct i8_plan_finding *findings, size_t n);

/* ---- showing ---- */

/* Each composes a text that the caller frees. */
enum i8_status i8_plan_json(char **out, const struct i8_plan *plan, struct i8_error *err);
enum i8_status i8_plan_map_json(char **out, const struct i8_plan *plan,
                                struct i8_error *err);
enum i8_status i8_plan_svg(char **out, const struct i8_plan *plan, struct i8_error *err);
/* For a terminal of `width` columns; `color`: with SGR sequences. */
enum i8_status i8_plan_table(char **out, const struct i8_plan *plan, unsigned width,
                             bool color, struct i8_error *err);

#ifdef __cplusplus
}
#endif
#endif
