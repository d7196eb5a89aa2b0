# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += lib/int8tool/model_tree.h
lib_libint8core_la_SOURCES += \
  lib/model/build.c lib/model/build.h \
  lib/model/config.c lib/model/hparams.h \
  lib/model/expand.c \
  lib/model/family.h lib/model/nodes.h lib/model/family_table.c \
  lib/model/family_bloom.c \
  lib/model/family_llama.c \
  lib/model/family_opt.c \
  lib/model/family_t5.c \
  lib/model/model.c lib/model/model.h \
  lib/model/model_tree.c \
  lib/model/policy.c \
  lib/model/quantized.c \
  lib/model/shapes.c
