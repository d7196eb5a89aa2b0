/* SPDX-License-Identifier: Apache-2.0
 *
 * What convert and unpack say alike of a conversion, in JSON.
 */
#include "config.h"

#include "convert_print.h"

void print_conversion(struct i8i_json_writer *w, const struct i8_convert_result *r)
{
    i8i_jw_kv_u64(w, "jobs", r->jobs);
    i8i_jw_kv_u64(w, "memory_bytes", r->memory_bytes);
    i8i_jw_kv_double(w, "seconds", r->seconds);
    i8i_jw_kv_u64(w, "peak_rss_bytes", r->peak_rss_bytes);
    i8i_jw_key(w, "files");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < r->n_files; i++) {
        const struct i8_convert_file *f = &r->files[i];
        i8i_jw_begin_object(w);
        i8i_jw_kv_string(w, "name", f->name);
        i8i_jw_kv_u64(w, "bytes", f->bytes);
        i8i_jw_kv_string(w, "sha256", f->sha256[0] ? f->sha256 : NULL);
        i8i_jw_end_object(w);
    }
    i8i_jw_end_array(w);
}
