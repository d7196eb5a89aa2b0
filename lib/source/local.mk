# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += \
  lib/source/directory_tree.c \
  lib/source/file_source.c \
  lib/source/frame_cache.c lib/source/frame_cache.h \
  lib/source/model_source.c lib/source/model_source.h \
  lib/source/seek_table.c lib/source/seek_table.h \
  lib/source/source.c lib/source/source.h \
  lib/source/zip.c lib/source/zip.h \
  lib/source/zstd_codec.h \
  lib/source/zstd_source.c lib/source/zstd_source.h
if HAVE_ZSTD
lib_libint8core_la_SOURCES += lib/source/zstd_codec.c
else
lib_libint8core_la_SOURCES += lib/source/zstd_none.c
endif
