/* SPDX-License-Identifier: Apache-2.0
 *
 * Converting a checkpoint to int8: a directory in the layout that bitsandbytes (through
 * transformers) or compressed-tensors (through vLLM) reads. docs/shard-format.md says
 * byte by byte what is written.
 *
 * The output appears whole or not at all: files are written as NAME.part beside a
 * journal, and get their names when all of them are complete, the manifest int8tool.json
 * last. A conversion that was interrupted goes on where it was when it is called again
 * with the same source and options, and ends with the same bytes.
 */
#ifndef INT8TOOL_CONVERT_H
#define INT8TOOL_CONVERT_H

#include <int8tool/dtype.h>
#include <int8tool/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum i8_layout {
    I8_LAYOUT_BNB,                /* weight I8, SCB F32 (absmax), weight_format U8 */
    I8_LAYOUT_COMPRESSED_TENSORS, /* weight I8, weight_scale F32 [out,1] (absmax / 127) */
};
/* Whose bytes: they differ where 127·w/absmax lies half way between two integers. */
enum i8_rounding { I8_ROUNDING_CUDA, I8_ROUNDING_CPU };
/* Who will load the result, which decides the modules that are int8. */
enum i8_reader {
    I8_READER_TRANSFORMERS5,
    I8_READER_TRANSFORMERS4,
    I8_READER_INT8TOOL,
    I8_READER_VLLM,
};

/* One of several processes that convert one model together, on one machine or on many
 * that share the output's file system. Each does its part; the last one to finish gives
 * the files their names. */
struct i8_rank_group {
    unsigned rank, count; /* rank < count */
    /* Waits until every rank has called it and returns the largest value; NULL: the ranks
     * cannot talk to each other, and whoever sees that all is done publishes. */
    int (*agree)(void *ctx, int value);
    void *ctx;
};

/* How the shards are stored. */
enum i8_compression {
    I8_COMPRESSION_NONE,
    I8_COMPRESSION_ZSTD, /* NAME.zst in zstd's seekable format; a build may lack it */
};
#define I8_ZSTD_LEVEL 1 /* where compression_level is 0; int8 gains nothing from more */

struct i8_convert_options {
    const char *model;  /* a directory with config.json and weights, or a weights file */
    const char *output; /* a directory: new, empty, or with our own unfinished work */
    enum i8_layout layout;
    enum i8_rounding rounding;
    enum i8_reader reader;
    enum i8_dtype rest_dtype; /* of float tensors that stay: F16, BF16, F32; INVALID: as
                               * stored */
    double outlier_threshold; /* for the readers' own detection, into config.json */
    bool allow_nonfinite;     /* NaN and Inf as bitsandbytes does, instead of refusing */
    bool no_hash;             /* no SHA-256 of sources and outputs */
    bool force;               /* replace an earlier conversion in `output` */
    const char *const *skip_modules; /* paths, NULL-terminated; NULL: none */
    uint64_t max_shard_bytes;        /* of tensor data in a file; 0: 5 GB */
    enum i8_compression compression;
    int compression_level; /* 1 … 22; 0: I8_ZSTD_LEVEL */
    unsigned jobs;         /* threads; 0: one a processor */
    uint64_t ram_bytes;    /* the most memory for buffers and tables; 0: no cap */
    bool measure_disk;     /* afterwards, for disk_share: reads and writes 96 MiB */
    const struct i8_rank_group *ranks;  /* NULL: this process alone */
    const struct i8_log *log;           /* warnings and notes; may be NULL */
    const struct i8_progress *progress; /* bytes of source done; may be NULL */
};
#define I8_CONVERT_OPTIONS_INIT  \
    {                            \
        .outlier_threshold = 6.0 \
    }

#define I8_SHA256_HEX 65

struct i8_convert_file {
    char *name; /* relative to the output directory */
    uint64_t bytes;
    char sha256[I8_SHA256_HEX]; /* lower-case hex; "" where nothing was hashed */
};
/* Tensors that were kept for one reason. */
struct i8_convert_kept {
    const char *why; /* "output embedding"; static */
    size_t tensors;
    uint64_t bytes; /* as written */
};

struct i8_convert_result {
    size_t tensors;        /* in the source */
    size_t converted;      /* weights that became int8 */
    size_t kept;           /* tensors that did not */
    uint64_t source_bytes; /* of the source's tensors */
    uint64_t output_bytes; /* of all files written, the manifest included */
    bool at_most; /* dry run with compression: sizes are the most that they can be */
    uint64_t resumed_bytes; /* of the source, done by an interrupted run before this */
    uint64_t memory_bytes;  /* bound on buffers and tables */
    bool complete; /* the output has its final names; else other ranks have work left */
    uint64_t left_bytes; /* of the source, not converted by any rank so far */
    uint64_t part_bytes; /* of the source, this rank's part; all of it without ranks */
    unsigned jobs;
    double seconds;
    /* With measure_disk, after a conversion of a second or more, where it could be
     * measured (else 0): bytes a second past the page cache, and the time that reading
     * the source and writing the output would take at these rates, by `seconds`. Beyond 1
     * when the source was in the page cache. */
    double disk_read_rate, disk_write_rate, disk_share;
    uint64_t peak_rss_bytes; /* of the process so far */
    struct i8_convert_file *files;
    size_t n_files;
    struct i8_convert_kept *kept_for;
    size_t n_kept_for;
};

/* Converts. On failure nothing stands under a final name; a journal and .part files stay
 * where going on later makes sense (cancelled, no space, I/O), and with ranks always.
 * Calls with ranks 0 … count - 1 may run at once, one after the other, in any order, and
 * again: all of them together give the bytes that one call without ranks gives. */
enum i8_status i8_convert(struct i8_convert_result *result,
                          const struct i8_convert_options *options, struct i8_error *err);
/* What i8_convert would write, to the byte, from headers alone: no weight is read and
 * nothing is written. options->output may be NULL. */
enum i8_status i8_convert_dry_run(struct i8_convert_result *result,
                                  const struct i8_convert_options *options,
                                  struct i8_error *err);
/* Undoes I8_COMPRESSION_ZSTD: options->model is a directory that i8_convert has written
 * with it, and options->output becomes what i8_convert writes without it. Of the other
 * options jobs, ram_bytes, no_hash, force, log and progress count. An unpacking that was
 * interrupted goes on as a conversion does. */
enum i8_status i8_unpack(struct i8_convert_result *result,
                         const struct i8_convert_options *options, struct i8_error *err);
/* Frees what a result holds; one that is all zeros is fine. */
void i8_convert_result_free(struct i8_convert_result *result);

#ifdef __cplusplus
}
#endif
#endif
