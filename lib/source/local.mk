# SPDX-License-Identifier: Apache-2.0
lib_libint8core_la_SOURCES += \
  lib/source/directory_tree.c \
  lib/source/file_source.c \
  lib/source/model_source.c lib/source/model_source.h \
  lib/source/source.c lib/source/source.h \
  lib/source/zip.c lib/source/zip.h
