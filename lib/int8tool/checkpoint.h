/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking into a checkpoint: which tensors it holds, of what type and shape, and where.
 * Only headers are read, so a checkpoint of any size opens at once.
 */
#ifndef INT8TOOL_CHECKPOINT_H
#define INT8TOOL_CHECKPOINT_H

#include <int8tool/dtype.h>
#include <int8tool/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define I8_MAX_RANK 8

/* Read-only once open, so any number of threads may use it. */
struct i8_checkpoint;

struct i8_tensor_info {
    const char *name; /* UTF-8; owned by the checkpoint */
    enum i8_dtype dtype;
    unsigned rank;               /* 0: a scalar */
    uint64_t shape[I8_MAX_RANK]; /* row-major, `rank` of them */
    uint64_t bytes;
    const char *file; /* that holds it: relative to the directory, or the path given;
                         owned by the checkpoint */
};

/* `model` is a directory with weights (no config.json needed), one weights file, or,
 * where a Hub has been enabled (<int8tool/hub.h>), a repository's ORG/NAME[@REVISION]. */
enum i8_status i8_checkpoint_open(struct i8_checkpoint **out, const char *model,
                                  struct i8_error *err);
size_t i8_checkpoint_count(const struct i8_checkpoint *c);
/* Tensor `i` < count, in the order of files and, in a file, of data. */
struct i8_tensor_info i8_checkpoint_get(const struct i8_checkpoint *c, size_t i);
void i8_checkpoint_free(struct i8_checkpoint *c); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
