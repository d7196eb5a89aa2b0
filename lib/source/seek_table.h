/* SPDX-License-Identifier: Apache-2.0
 *
 * The seek table of zstd's seekable format 0.1.0 (contrib/seekable_format of zstd's
 * repository): the last frame of a file, a skippable one, which lists the sizes of all
 * others.
 *
 *   u32 0x184D2A5E, u32 bytes that follow
 *   a frame each: u32 compressed size, u32 content size [, u32 low half of XXH64 of the
 *     content, if bit 7 of the descriptor is set]
 *   u32 number of frames, u8 descriptor, u32 0x8F92EAB1
 */
#ifndef I8I_SOURCE_SEEK_TABLE_H
#define I8I_SOURCE_SEEK_TABLE_H

#include "source/source.h"

struct i8i_seek_entry {
    uint64_t stored;  /* where the frame begins in the file */
    uint64_t content; /* where its content begins */
    uint32_t check;   /* low half of XXH64 of the content, with has_checks */
};
struct i8i_seek_table {
    struct i8i_seek_entry *entries; /* count frames, and the end of the last */
    size_t count;
    bool has_checks;
    size_t largest_stored, largest_content; /* of one frame with content */
};

/* Content of a frame, beyond which there is no reading at random. Foreign writers may
 * choose up to 4 GiB; ours stay far below. */
#define I8I_SEEK_MAX_CONTENT ((uint32_t)16 << 20)
/* 64 MiB of table; 4 TB at 1 MiB a frame. */
#define I8I_SEEK_MAX_FRAMES ((uint32_t)1 << 22)

/* Reads and checks the table at the end of `source`: every frame within the file, one
 * behind the other, none left over. A file without one is I8_ERR_UNSUPPORTED. Freed by
 * i8i_seek_table_free, also after failure. */
enum i8_status i8i_seek_table_read(struct i8i_seek_table *t, struct i8i_source *source,
                                   struct i8_error *err) I8I_MUST_CHECK;
void i8i_seek_table_free(struct i8i_seek_table *t);
/* The frame whose content has byte `at`, which must be below the end. */
size_t i8i_seek_table_find(const struct i8i_seek_table *t, uint64_t at);

/* The bytes of a table of `frames` entries with checksums. */
uint64_t i8i_seek_table_bytes(uint64_t frames);
#define I8I_SEEK_HEAD_BYTES  8
#define I8I_SEEK_ENTRY_BYTES 12
#define I8I_SEEK_FOOT_BYTES  9
void i8i_seek_table_head(unsigned char out[I8I_SEEK_HEAD_BYTES], uint32_t frames);
void i8i_seek_table_entry(unsigned char out[I8I_SEEK_ENTRY_BYTES], uint32_t stored,
                          uint32_t content, uint32_t check);
void i8i_seek_table_foot(unsigned char out[I8I_SEEK_FOOT_BYTES], uint32_t frames);

/* The checksum at the end of a frame that has one (RFC 8878, 3.1.1); false if not. */
bool i8i_zstd_frame_check(uint32_t *check, const unsigned char *frame, size_t bytes);

#endif
