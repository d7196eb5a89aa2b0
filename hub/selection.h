/* SPDX-License-Identifier: Apache-2.0
 *
 * Which files of a commit are pulled. With patterns: those that match one of `include`
 * (all without) and none of `exclude`. Without `include` also one weight format only:
 * repositories often hold the same weights for several frameworks.
 */
#ifndef I8I_HUB_SELECTION_H
#define I8I_HUB_SELECTION_H

#include "hub/api.h"
#include "hub/patterns.h"

struct i8i_selection {
    const struct i8i_hub_file **files; /* in the listing's order; borrowed from it */
    size_t count;
    uint64_t bytes;
    size_t other_formats; /* left out as weights that are there in a better format */
    uint64_t other_bytes;
};

/* Left out by default, where the listing has the same weights as .safetensors or, failing
 * that, as PyTorch's .bin:
 * - a .bin, .pt, .pth or .ckpt file (and its index) beside a .safetensors file of the
 * same role: pytorch_model-00001-of-00002.bin beside model.safetensors;
 * - what other frameworks read (.h5 .msgpack .ot .onnx .gguf .tflite …, consolidated.*),
 *   and the folders onnx, openvino, original, coreml, gguf …, if the repository has
 *   .safetensors or .bin weights elsewhere.
 * Where it has none, everything is taken.
 * A name that cannot be given to a file below a folder (absolute, a drive, "..", control
 * characters) is refused if it would be chosen. Freed by i8i_selection_free. */
enum i8_status i8i_select(struct i8i_selection *out,
                          const struct i8i_hub_listing *listing,
                          const struct i8i_patterns *include,
                          const struct i8i_patterns *exclude,
                          struct i8_error *err) I8I_MUST_CHECK;
void i8i_selection_free(struct i8i_selection *s); /* a zeroed one is fine */

#endif
