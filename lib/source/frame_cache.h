/* SPDX-License-Identifier: Apache-2.0
 *
 * A fixed number of decoded frames, and workspaces to decode one. Every call may come
 * from any thread.
 */
#ifndef I8I_SOURCE_FRAME_CACHE_H
#define I8I_SOURCE_FRAME_CACHE_H

#include "source/zstd_source.h"

/* Decodes frame `frame` of ctx to dst. */
typedef enum i8_status i8i_frame_load_fn(void *ctx, size_t frame, void *dst,
                                         struct i8_error *err);
/* Copies n bytes from byte `skip` of the frame's `content` bytes, which are loaded unless
 * they are there; ctx tells the sources apart. A second reader of a frame that is being
 * loaded waits for it. */
enum i8_status i8i_frame_cache_read(struct i8i_frame_cache *c, void *ctx, size_t frame,
                                    size_t content, i8i_frame_load_fn *load, void *dst,
                                    size_t skip, size_t n,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* Drops what was loaded for ctx, which nobody reads any more. */
void i8i_frame_cache_forget(struct i8i_frame_cache *c, const void *ctx);
/* A source with frames of up to these sizes is about to use it. */
enum i8_status i8i_frame_cache_expect(struct i8i_frame_cache *c, size_t content,
                                      size_t stored, struct i8_error *err) I8I_MUST_CHECK;

struct i8i_frame_workspace {
    struct i8i_zstd_decoder *decoder;
    void *stored; /* a frame as it is in the file */
    size_t capacity;
    struct i8i_frame_workspace *next;
};
/* One with room for `stored` bytes, until it is given back. */
enum i8_status i8i_frame_workspace_take(struct i8i_frame_workspace **out,
                                        struct i8i_frame_cache *c, size_t stored,
                                        struct i8_error *err) I8I_MUST_CHECK;
void i8i_frame_workspace_give(struct i8i_frame_cache *c, struct i8i_frame_workspace *w);

#endif
