/* SPDX-License-Identifier: Apache-2.0
 *
 * --compress: a shard is written plain first, as NAME.part, because where a compressed
 * row will stand is known only when all before it are compressed. Once complete it is
 * packed: its frames, whose content was decided by the plan, are compressed side by side
 * and appended in their order to NAME.zst.part. From then on the output is that file.
 * docs/shard-format.md has the format and the rule by which frames are cut.
 */
#ifndef I8I_CONVERT_PACKED_H
#define I8I_CONVERT_PACKED_H

#include "checkpoint/shard_index.h"
#include "convert/staging.h"

/* Content of a frame. Small enough to be read for a few rows of it, large enough that
 * what a frame costs (some 30 bytes, a table entry, a call) is nothing. */
#define I8I_FRAME_BYTES ((uint32_t)2 << 20)

/* Cuts a safetensors file of these tensors, laid out in order behind the header, into
 * frames: writes their sizes to `out` unless that is NULL, and returns their number. */
size_t i8i_frames_cut(uint32_t *out, uint64_t header_bytes,
                      const struct i8i_safetensors_entry *entries, size_t count);
/* Gives an output its frames and its other name, if the plan compresses. */
enum i8_status i8i_pack_plan(struct i8i_convert_plan *p, uint32_t output,
                             const struct i8i_safetensors_entry *entries, size_t count,
                             struct i8_error *err) I8I_MUST_CHECK;
/* The most bytes that the packed file can have. */
uint64_t i8i_packed_most_bytes(const struct i8i_output_file *f);

/* name and bytes become those of the packed file, or of the plain one again. */
void i8i_output_show_packed(struct i8i_output_file *f, uint64_t bytes);
void i8i_output_show_plain(struct i8i_output_file *f);

/* Packs those of `which` (by output; NULL: all) that are not packed yet; they must be
 * complete. Each is journaled when it is on the disk, and its plain form removed. Among
 * ranks `unbegun` leaves out what another one has begun to pack, which may be at it, or
 * dead. If all is published meanwhile, s->complete says so. */
enum i8_status i8i_pack_outputs(struct i8i_staging *s, const bool *which, bool unbegun,
                                unsigned jobs, struct i8_error *err) I8I_MUST_CHECK;

#endif
