/* SPDX-License-Identifier: Apache-2.0
 *
 * Mistral: LLaMA with a sliding window in every block (where config.json states one).
 */
#include "config.h"

#include "model/nodes.h"

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS, {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL}, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Mistral", "Embedding"),
    I8I_LLAMA_BLOCKS("Mistral"),
    I8I_LLAMA_ATTENTION("Mistral", NULL, NULL),
    I8I_LLAMA_MLP("Mistral", NULL),
    I8I_LLAMA_NORMS("Mistral"),
    I8I_LLAMA_END("Mistral"),
};

const struct i8i_family i8i_family_mistral = {
    I8I_LLAMA_FAMILY("mistral", "Mistral"),
    .keys = keys,
    .arch = {I8I_LLAMA_ARCH},
    .nodes = nodes,
};
