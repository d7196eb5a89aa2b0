/* SPDX-License-Identifier: Apache-2.0
 *
 * BERT and RoBERTa, as masked language models or bare: norms behind the sublayers,
 * learned positions (RoBERTa's begin behind the padding id).
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)config;
    (void)err;
    hp->arch.decoder_start_id = -1;
    return I8_OK;
}

static enum i8_status derive_roberta(struct i8i_hparams *hp, const i8i_json *config,
                                     struct i8_error *err)
{
    hp->arch.position_offset = (int)(hp->arch.pad_id < 0 ? 2 : hp->arch.pad_id + 1);
    return derive(hp, config, err);
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "intermediate_size", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "max_position_embeddings", I8I_REQUIRED},
    {I8I_DIM_TYPES, "type_vocab_size", 2},
    I8I_KEYS_END,
};

/* clang-format off */
#define BIASED(d, n, r, out, in) I8I_LINEAR(d, n, r, out, in, .bias = i8i_always)
#define LAYER_NORM(d, n, r) I8I_NORM(d, n, "LayerNorm", r, HIDDEN, .bias = i8i_always)
#define POSITION_IDS(n) \
    I8I_BUFFER(2, n, .rows = I8I_DIM_ONE, .cols = I8I_DIM_POSITIONS, .dtype = I8_DTYPE_I64)
#define POSITION_TABLE \
    I8I_EMBEDDING(2, "position_embeddings", "Embedding", POSITION_EMBED, POSITIONS, HIDDEN)
#define WORDS(P) \
    I8I_MODULE(1, "embeddings", P "Embeddings"), \
    POSITION_IDS("position_ids"), \
    POSITION_IDS("token_type_ids"), \
    I8I_EMBEDDING(2, "word_embeddings", "Embedding", EMBED, VOCAB, HIDDEN)
#define TYPES_AND_NORM \
    I8I_EMBEDDING(2, "token_type_embeddings", "Embedding", TYPE_EMBED, TYPES, HIDDEN), \
    LAYER_NORM(2, "LayerNorm", EMBED_NORM), \
    I8I_MODULE(2, "dropout", "Dropout")
#define BLOCKS(P) \
    I8I_MODULE(1, "encoder", P "Encoder"), \
    I8I_MODULE(2, "layer", "ModuleList"), \
    I8I_BLOCKS(3, P "Layer", LAYERS, 0), \
    I8I_MODULE(4, "attention", P "Attention"), \
    I8I_MODULE(5, "self", P "SelfAttention"), \
    BIASED(6, "query", Q, HIDDEN, HIDDEN), \
    BIASED(6, "key", K, HIDDEN, HIDDEN), \
    BIASED(6, "value", V, HIDDEN, HIDDEN), \
    I8I_MODULE(6, "dropout", "Dropout"), \
    I8I_MODULE(5, "output", P "SelfOutput"), \
    BIASED(6, "dense", O, HIDDEN, HIDDEN), \
    LAYER_NORM(6, "LayerNorm", ATTN_NORM), \
    I8I_MODULE(6, "dropout", "Dropout"), \
    I8I_MODULE(4, "intermediate", P "Intermediate"), \
    BIASED(5, "dense", UP, FFN, HIDDEN), \
    I8I_MODULE(5, "intermediate_act_fn", "Activation"), \
    I8I_MODULE(4, "output", P "Output"), \
    BIASED(5, "dense", DOWN, HIDDEN, FFN), \
    LAYER_NORM(5, "LayerNorm", MLP_NORM), \
    I8I_MODULE(5, "dropout", "Dropout"), \
    I8I_MODULE(1, "pooler", P "Pooler", .when = i8i_when_base_class), \
    BIASED(2, "dense", POOLER, HIDDEN, HIDDEN), \
    I8I_MODULE(2, "activation", "Activation")
#define ARCH \
    { .shape = I8I_SHAPE_ENCODER, .norm = I8I_NORM_LAYER, .norm_place = I8I_NORM_POST, \
      .position = I8I_POS_LEARNED, .activation = I8I_ACT_GELU, .embed_norm = true, \
      .norm_epsilon = 1e-12 }
/* clang-format on */

static const struct i8i_node bert_nodes[] = {
    I8I_MODULE(0, "bert", "BertModel"),
    WORDS("Bert"),
    POSITION_TABLE,
    TYPES_AND_NORM,
    BLOCKS("Bert"),
    I8I_MODULE(0, "cls", "BertOnlyMLMHead"),
    I8I_MODULE(1, "predictions", "BertLMPredictionHead"),
    I8I_PARAM(2, "bias", NONE, .rows = I8I_DIM_VOCAB),
    I8I_MODULE(2, "transform", "BertPredictionHeadTransform"),
    BIASED(3, "dense", NONE, HIDDEN, HIDDEN),
    I8I_MODULE(3, "transform_act_fn", "Activation"),
    LAYER_NORM(3, "LayerNorm", FINAL_NORM),
    BIASED(2, "decoder", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

static const struct i8i_node roberta_nodes[] = {
    I8I_MODULE(0, "roberta", "RobertaModel"),
    WORDS("Roberta"),
    TYPES_AND_NORM,
    POSITION_TABLE,
    BLOCKS("Roberta"),
    I8I_MODULE(0, "lm_head", "RobertaLMHead"),
    I8I_PARAM(1, "bias", NONE, .rows = I8I_DIM_VOCAB),
    BIASED(1, "dense", NONE, HIDDEN, HIDDEN),
    LAYER_NORM(1, "layer_norm", FINAL_NORM),
    BIASED(1, "decoder", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_bert = {
    .model_type = "bert",
    .architecture = "BertForMaskedLM",
    .base_prefix = "bert",
    .keys = keys,
    .derive = derive,
    .arch = ARCH,
    .tied_by_default = true,
    .nodes = bert_nodes,
    .no_split = I8I_NAMES("BertEmbeddings", "BertLayer"),
    .ties =
        (const struct i8i_tie[]){
            {"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight",
             NULL},
            {"cls.predictions.decoder.bias", "cls.predictions.bias", i8i_always},
            {NULL, NULL, NULL},
        },
    .output_embedding = "cls.predictions.decoder",
};

const struct i8i_family i8i_family_roberta = {
    .model_type = "roberta",
    .architecture = "RobertaForMaskedLM",
    .base_prefix = "roberta",
    .keys = keys,
    .derive = derive_roberta,
    .arch = ARCH,
    .tied_by_default = true,
    .nodes = roberta_nodes,
    .no_split = I8I_NAMES("RobertaEmbeddings", "RobertaLayer"),
    .ties =
        (const struct i8i_tie[]){
            {"lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight", NULL},
            {"lm_head.decoder.bias", "lm_head.bias", i8i_always},
            {NULL, NULL, NULL},
        },
    .output_embedding = "lm_head.decoder",
};
