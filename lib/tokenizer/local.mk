# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += \
  lib/tokenizer/added_tokens.c \
  lib/tokenizer/added_tokens.h \
  lib/tokenizer/bpe.c \
  lib/tokenizer/bpe.h \
  lib/tokenizer/bpe_parse.c \
  lib/tokenizer/byte_level.c \
  lib/tokenizer/byte_level.h \
  lib/tokenizer/normalizer.c \
  lib/tokenizer/normalizer.h \
  lib/tokenizer/post_processor.c \
  lib/tokenizer/post_processor.h \
  lib/tokenizer/pretokenizer.c \
  lib/tokenizer/pretokenizer.h \
  lib/tokenizer/split_class.c \
  lib/tokenizer/split_pattern.c \
  lib/tokenizer/split_pattern.h \
  lib/tokenizer/split_scan.c \
  lib/tokenizer/split_translation.h \
  lib/tokenizer/tokenizer.c \
  lib/tokenizer/tokenizer.h
