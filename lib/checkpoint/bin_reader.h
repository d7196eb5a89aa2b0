/* SPDX-License-Identifier: Apache-2.0
 *
 * PyTorch's .bin and .pt files: a zip file of a pickle and of one entry a storage.
 */
#ifndef I8I_CHECKPOINT_BIN_READER_H
#define I8I_CHECKPOINT_BIN_READER_H

#include "checkpoint/checkpoint.h"

/* Is it a PyTorch file of any age, judging by the first bytes? */
bool i8i_bin_is_pytorch(const unsigned char *magic, size_t n);
#define I8I_BIN_MAGIC 4

/* Reads the table of tensors; calls add for each by offset. Strides are allocated in
 * `arena`, the rest is borrowed for the call. Refuses the formats before zip files
 * and TorchScript by name. */
enum i8_status i8i_bin_read(struct i8i_source *source, struct i8i_arena *arena,
                            i8i_tensor_fn *add, void *ctx,
                            struct i8_error *err) I8I_MUST_CHECK;

#endif
