# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += lib/int8tool/model_tree.h
lib_libint8core_la_SOURCES += \
  lib/model/build.c lib/model/build.h \
  lib/model/config.c lib/model/hparams.h \
  lib/model/expand.c lib/model/expand.h \
  lib/model/expand_names.c lib/model/expand_params.c \
  lib/model/family.h lib/model/nodes.h lib/model/family_table.c \
  lib/model/family_bart.c lib/model/family_bert.c lib/model/family_bloom.c \
  lib/model/family_clip.c lib/model/family_cohere.c lib/model/family_deepseek.c \
  lib/model/family_distilbert.c lib/model/family_falcon.c lib/model/family_gemma.c lib/model/family_gemma3.c \
  lib/model/family_gpt2.c lib/model/family_gpt_neo.c lib/model/family_gpt_neox.c \
  lib/model/family_gpt_oss.c lib/model/family_gptj.c lib/model/family_llama.c \
  lib/model/family_mistral.c lib/model/family_mixtral.c lib/model/family_mpt.c \
  lib/model/family_olmo2.c lib/model/family_opt.c lib/model/family_phi.c \
  lib/model/family_phi3.c lib/model/family_qwen.c lib/model/family_qwen_moe.c \
  lib/model/family_stablelm.c lib/model/family_starcoder2.c lib/model/family_t5.c \
  lib/model/family_vit.c lib/model/family_whisper.c \
  lib/model/model.c lib/model/model.h \
  lib/model/model_tree.c \
  lib/model/policy.c \
  lib/model/quantized.c \
  lib/model/shapes.c
