/* SPDX-License-Identifier: Apache-2.0
 *
 * DistilBERT, as a masked language model or bare: BERT without token types and pooler.
 */
#include "config.h"

#include "model/nodes.h"

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "dim|hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "n_layers|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "n_heads|num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "hidden_dim", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "max_position_embeddings", I8I_REQUIRED},
    I8I_KEYS_END,
};

/* clang-format off */
#define BIASED(d, n, r, out, in) I8I_LINEAR(d, n, r, out, in, .bias = i8i_always)
#define LAYER_NORM(d, n, r) I8I_NORM(d, n, "LayerNorm", r, HIDDEN, .bias = i8i_always)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "activation", "Activation"),
    I8I_MODULE(0, "distilbert", "DistilBertModel"),
    I8I_MODULE(1, "embeddings", "Embeddings"),
    I8I_BUFFER(2, "position_ids", .rows = I8I_DIM_ONE, .cols = I8I_DIM_POSITIONS,
               .dtype = I8_DTYPE_I64),
    I8I_EMBEDDING(2, "word_embeddings", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_EMBEDDING(2, "position_embeddings", "Embedding", POSITION_EMBED, POSITIONS,
                  HIDDEN),
    LAYER_NORM(2, "LayerNorm", EMBED_NORM),
    I8I_MODULE(2, "dropout", "Dropout"),
    I8I_MODULE(1, "transformer", "Transformer"),
    I8I_MODULE(2, "layer", "ModuleList"),
    I8I_BLOCKS(3, "TransformerBlock", LAYERS, 0),
    I8I_MODULE(4, "attention", "DistilBertSelfAttention"),
    BIASED(5, "q_lin", Q, HIDDEN, HIDDEN),
    BIASED(5, "k_lin", K, HIDDEN, HIDDEN),
    BIASED(5, "v_lin", V, HIDDEN, HIDDEN),
    BIASED(5, "out_lin", O, HIDDEN, HIDDEN),
    I8I_MODULE(5, "dropout", "Dropout"),
    LAYER_NORM(4, "sa_layer_norm", ATTN_NORM),
    I8I_MODULE(4, "ffn", "FFN"),
    I8I_MODULE(5, "dropout", "Dropout"),
    BIASED(5, "lin1", UP, FFN, HIDDEN),
    BIASED(5, "lin2", DOWN, HIDDEN, FFN),
    I8I_MODULE(5, "activation", "Activation"),
    LAYER_NORM(4, "output_layer_norm", MLP_NORM),
    BIASED(0, "vocab_transform", NONE, HIDDEN, HIDDEN),
    LAYER_NORM(0, "vocab_layer_norm", FINAL_NORM),
    BIASED(0, "vocab_projector", HEAD, VOCAB, HIDDEN),
    I8I_MODULE(0, "mlm_loss_fct", "CrossEntropyLoss"),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_distilbert = {
    .model_type = "distilbert",
    .architecture = "DistilBertForMaskedLM",
    .base_prefix = "distilbert",
    .keys = keys,
    .arch =
        {
            .shape = I8I_SHAPE_ENCODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_POST,
            .position = I8I_POS_LEARNED,
            .activation = I8I_ACT_GELU,
            .embed_norm = true,
            .norm_epsilon = 1e-12,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .ties = I8I_TIES("vocab_projector.weight",
                     "distilbert.embeddings.word_embeddings.weight"),
    .output_embedding = "vocab_projector",
};
