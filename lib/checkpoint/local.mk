# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += lib/int8tool/checkpoint.h
lib_libint8core_la_SOURCES += \
  lib/checkpoint/bin_reader.c lib/checkpoint/bin_reader.h \
  lib/checkpoint/checkpoint.c lib/checkpoint/checkpoint.h \
  lib/checkpoint/dtype.c \
  lib/checkpoint/fp8_blocks.c \
  lib/checkpoint/fp8_decode.c \
  lib/checkpoint/pickle.c lib/checkpoint/pickle.h \
  lib/checkpoint/pickle_state_dict.c \
  lib/checkpoint/pickle_torch.c \
  lib/checkpoint/public_checkpoint.c \
  lib/checkpoint/safetensors_reader.c \
  lib/checkpoint/safetensors_writer.c \
  lib/checkpoint/shard_index.c lib/checkpoint/shard_index.h \
  lib/checkpoint/stored.h \
  lib/checkpoint/strided_read.c \
  lib/checkpoint/tensor_size.c
