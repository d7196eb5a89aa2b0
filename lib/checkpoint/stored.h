/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors whose bytes in the file are not the ones that i8i_tensor_read gives: gathered
 * from strides, swapped from another byte order, or made from FP8 and block scales.
 */
#ifndef I8I_CHECKPOINT_STORED_H
#define I8I_CHECKPOINT_STORED_H

#include "checkpoint/checkpoint.h"

/* Each reads whole elements: offset and n are multiples of the dtype's width. */
enum i8_status i8i_strided_read(struct i8i_source *source, const struct i8i_tensor *t,
                                void *dst, uint64_t offset, size_t n,
                                struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_fp8_read(const struct i8i_checkpoint *c, const struct i8i_tensor *t,
                            void *dst, uint64_t offset, size_t n,
                            struct i8_error *err) I8I_MUST_CHECK;

/* dst[i] = bf16(e4m3(src[i]) × scale): the product in fp32, then to nearest even, as
 * DeepSeek's fp8_cast_bf16.py computes it. dst is n little-endian bf16, src may be the
 * last n of dst's 2 n bytes. The scalar form is the definition; the other picks the best
 * that the processor has and gives the same bytes. */
void i8i_fp8_decode(void *dst, const void *src, size_t n, float scale);
void i8i_fp8_decode_scalar(void *dst, const void *src, size_t n, float scale);

#endif
